"""A button that sends five hundred presses a second.

`python -m tests.edge.support.flood PORT CA DEVICE CERT KEY` runs until it is killed. The presses are distinct and
report ages seconds apart, so that none is a bounce.
"""

import itertools
import json
import sys
import threading
import time

from tests.edge.support.buttons import PUBLISH_QOS1, Button, _length, _text

AT_ONCE = 50
EVERY_SECONDS = 0.1


def presses(device: str) -> "itertools.chain[bytes]":
    topic = _text(f"ss/v1/d/{device}/alert")

    def packet(seq: int) -> bytes:
        body = {"v": 1, "device": device, "inst": "a1b2c3d4", "seq": seq, "boot": 1, "uptime_ms": 1000 * seq}
        body |= {"age_ms": 1000 * (seq % 3600), "pattern": ("short", "long", "triple")[seq % 3]}
        payload = topic + (seq % 65535 + 1).to_bytes(2, "big") + json.dumps(body).encode()
        return bytes([PUBLISH_QOS1]) + _length(len(payload)) + payload

    return itertools.chain.from_iterable([packet(seq)] for seq in itertools.count(1))


def main() -> None:
    port, authority, device, cert, key = sys.argv[1:]
    button = Button.connect(int(port), authority, device, cert, key)

    def drain() -> None:
        while button.socket.recv(65536):
            pass

    threading.Thread(target=drain, daemon=True).start()
    sys.stdout.write("flooding\n")
    sys.stdout.flush()
    packets = presses(device)
    while True:
        time.sleep(EVERY_SECONDS)
        button.socket.sendall(b"".join(itertools.islice(packets, AT_ONCE)))


if __name__ == "__main__":
    main()
