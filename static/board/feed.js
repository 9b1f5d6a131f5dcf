/**
 * The live feed: one WebSocket, kept open. States: connecting -> resuming -> live -> waiting -> connecting …, or ended.
 * It does not interpret messages: they go to `onMessage`, changes of the connection to `onLine`.
 */

const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 5_000;
const SILENCE_MS = 25_000; // the server sends something every 10 s; after two misses the connection is dead
const READY_MS = 10_000;

/** Close codes after which reconnecting is useless. */
export const SIGNED_OUT = 4401;
export const NO_RIGHT = 4403;

export class Feed {
  #socket = null;
  #timer = null;
  #attempt = 0;
  #options;
  state = "idle";

  /**
   * @param {{ url: string, resume: () => object, onMessage: (message: object) => void,
   *           onLine: (state: string, code: number) => void, random?: () => number }} options
   */
  constructor(options) {
    this.#options = { random: Math.random, ...options };
  }

  open() {
    this.#clear();
    this.#become("connecting");
    const socket = new WebSocket(this.#options.url);
    this.#socket = socket;
    this.#watch(READY_MS);
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return;
      this.#become("resuming");
      socket.send(JSON.stringify(this.#options.resume()));
    });
    socket.addEventListener("message", (event) => {
      if (socket === this.#socket) this.#hear(event.data);
    });
    socket.addEventListener("close", (event) => {
      if (socket === this.#socket) this.#lost(event.code);
    });
  }

  /** Skip the delay: the network is reported to be back, or (`stale`) this connection is known to be dead. */
  hurry(stale = false) {
    if (this.state === "waiting" || (stale && this.state !== "ended")) this.open();
  }

  /** Stop reconnecting. */
  end(code = 1000) {
    this.#clear();
    this.#become("ended", code);
  }

  #hear(text) {
    this.#watch(SILENCE_MS);
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return; // nothing that this page can read
    }
    if (message.type === "ready") {
      this.#attempt = 0;
      this.#become("live");
    }
    this.#options.onMessage(message);
  }

  #lost(code) {
    if (code === SIGNED_OUT || code === NO_RIGHT) {
      this.end(code);
      return;
    }
    this.#clear();
    const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#attempt);
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.open(), ceiling * (0.25 + 0.75 * this.#options.random()));
    this.#become("waiting", code);
  }

  #watch(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lost(1006), ms);
  }

  #clear() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null; // its late events are ignored
    socket?.close();
  }

  #become(state, code = 0) {
    this.state = state;
    this.#options.onLine(state, code);
  }
}
