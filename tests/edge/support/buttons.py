"""Many buttons in one lightweight process for measurements: minimal MQTT 3.1.1 over TLS and one selector.

`python -m tests.edge.support.buttons PORT CA ROUNDS` reads lines `device cert key`. In each round all buttons press at
once; it prints the milliseconds from each press to its `stored` confirmation as a JSON list.
"""

import json
import selectors
import socket
import ssl
import sys
import time
from dataclasses import dataclass, field

CONNECT, PUBLISH_QOS1, PUBACK, SUBSCRIBE = 0x10, 0x32, 0x40, 0x82
PUBLISH = 0x30


@dataclass
class Button:
    device: str
    socket: ssl.SSLSocket
    buffer: bytearray = field(default_factory=bytearray)

    @classmethod
    def connect(cls, port: int, authority: str, device: str, cert: str, key: str) -> "Button":
        context = ssl.create_default_context(cafile=authority)
        context.load_cert_chain(cert, key)
        plain = socket.create_connection(("127.0.0.1", port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        button = cls(device, context.wrap_socket(plain, server_hostname="localhost"))
        button.send(CONNECT, _text("MQTT") + bytes([4, 2]) + (600).to_bytes(2, "big") + _text(device))
        button.wait(0x20)
        button.send(SUBSCRIBE, (1).to_bytes(2, "big") + _text(f"ss/v1/d/{device}/ack") + b"\x01")
        button.wait(0x90)
        return button

    def send(self, kind: int, body: bytes) -> None:
        self.socket.sendall(bytes([kind]) + _length(len(body)) + body)

    def press(self, seq: int, pattern: str = "long") -> None:
        body = {"v": 1, "device": self.device, "inst": "a1b2c3d4", "seq": seq, "boot": 1, "uptime_ms": 1000 * seq}
        body |= {"age_ms": 0, "pattern": pattern}
        topic = _text(f"ss/v1/d/{self.device}/alert")
        self.send(PUBLISH_QOS1, topic + seq.to_bytes(2, "big") + json.dumps(body).encode())

    def wait(self, kind: int) -> None:
        while all(packet[0] & 0xF0 != kind for packet in self.packets()):
            pass

    def packets(self) -> list[bytes]:
        """Read once and return the complete packets."""
        try:
            self.buffer += self.socket.recv(65536)
        except ssl.SSLWantReadError:
            return []
        packets = []
        while len(self.buffer) >= 2 and len(self.buffer) >= 2 + self.buffer[1]:
            end = 2 + self.buffer[1]
            packets.append(bytes(self.buffer[:end]))
            del self.buffer[:end]
        return packets


def _text(value: str) -> bytes:
    return len(value).to_bytes(2, "big") + value.encode()


def _length(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128, value >> 7])


def round_of(buttons: list[Button], seq: int, seconds: float) -> list[float]:
    """Press all buttons; return the milliseconds from press to `stored` of each confirmed press."""
    selector = selectors.DefaultSelector()
    for button in buttons:
        selector.register(button.socket, selectors.EVENT_READ, button)
    pressed: dict[str, float] = {}
    took: list[float] = []
    for button in buttons:
        pressed[button.device] = time.perf_counter()
        button.press(seq)
    deadline = time.perf_counter() + seconds
    while len(took) < len(buttons) and time.perf_counter() < deadline:
        for key, _ in selector.select(0.1):
            now = time.perf_counter()
            button = key.data
            for packet in button.packets():
                if packet[0] & 0xF0 == PUBLISH:
                    took.append((now - pressed[button.device]) * 1000)
                    length = int.from_bytes(packet[2:4], "big")
                    button.send(PUBACK, packet[4 + length : 6 + length])
    return took


def main() -> None:
    port, authority, rounds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    lines = [line.split() for line in sys.stdin]
    buttons = [Button.connect(port, authority, *line) for line in lines]
    for button in buttons:
        button.socket.setblocking(False)
    for seq in range(1, rounds + 1):
        time.sleep(1.0)
        sys.stdout.write(json.dumps(round_of(buttons, seq, 10.0)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
