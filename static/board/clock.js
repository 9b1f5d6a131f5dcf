/**
 * The server's time, so that ages are right on a screen with a wrong clock.
 * The page was rendered between the browser's request and the first byte of the response, which bounds the offset.
 */
export class ServerClock {
  #offset = 0;
  #error = Infinity;

  /** @param {string} renderedAt  RFC 3339, the server's clock when it rendered the page */
  constructor(renderedAt, navigation = performance.getEntriesByType("navigation")[0]) {
    if (!navigation || !navigation.responseStart) return;
    const middle = performance.timeOrigin + (navigation.requestStart + navigation.responseStart) / 2;
    this.#offset = Date.parse(renderedAt) - middle;
    this.#error = (navigation.responseStart - navigation.requestStart) / 2;
  }

  /** Milliseconds since 1970, by the server's clock. */
  now() {
    return Date.now() + this.#offset;
  }

  /** The possible error of `now`, in milliseconds. */
  get error() {
    return this.#error;
  }

  /** Correct a slow clock: the server wrote `at` before this moment (the machine slept, or its clock was set). */
  heard(at) {
    const behind = Date.parse(at) - this.now();
    if (behind > 0) this.#offset += behind;
  }

  /** Correct large errors with the `Date` header of a response, which is precise to a second. */
  answered(date) {
    const difference = Date.parse(date) + 500 - this.now();
    if (Math.abs(difference) < 2_000 || Number.isNaN(difference)) return;
    this.#offset += difference;
    this.#error = 1_000;
  }
}
