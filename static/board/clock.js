/**
 * The server's time as seen from this page, so that ages are right on a screen whose clock is wrong.
 * The page was rendered between the browser's request and the first byte of the answer: that bounds the offset.
 */
export class ServerClock {
  #offset = 0;
  #error = Infinity;

  /** @param {string} renderedAt  RFC 3339, the server's clock while it answered */
  constructor(renderedAt, navigation = performance.getEntriesByType("navigation")[0]) {
    if (!navigation || !navigation.responseStart) return;
    const middle = performance.timeOrigin + (navigation.requestStart + navigation.responseStart) / 2;
    this.#offset = Date.parse(renderedAt) - middle;
    this.#error = (navigation.responseStart - navigation.requestStart) / 2;
  }

  /** Milliseconds since 1970 by the server's clock. */
  now() {
    return Date.now() + this.#offset;
  }

  /** By how much `now` may be wrong, in milliseconds. */
  get error() {
    return this.#error;
  }

  /** The server wrote `at` before this moment: a clock that says otherwise is slow (the machine slept, or was set). */
  heard(at) {
    const behind = Date.parse(at) - this.now();
    if (behind > 0) this.#offset += behind;
  }

  /** An answer's `Date` header, good to a second: corrects what is plainly wrong. */
  answered(date) {
    const difference = Date.parse(date) + 500 - this.now();
    if (Math.abs(difference) < 2_000 || Number.isNaN(difference)) return;
    this.#offset += difference;
    this.#error = 1_000;
  }
}
