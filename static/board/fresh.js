/** The age of the displayed state, and how the page reports it. */

import { timeText } from "./words.js";

export const STALE_MS = 15_000;

export class Freshness {
  #wall = Date.now() - performance.now();
  #steady = 0; // the page was rendered when it was requested
  #forbidden = false;

  /** The displayed state is complete at this moment. */
  proven() {
    this.#wall = Date.now();
    this.#steady = performance.now();
  }

  forbidden() {
    this.#forbidden = true;
  }

  /** The greater age of two clocks: one stops while the machine sleeps, the other can be set back. */
  get age() {
    return Math.max(Date.now() - this.#wall, performance.now() - this.#steady);
  }

  /**
   * @param {string} line  state of the feed
   * @param {boolean} behind  the server has announced more than is displayed, for longer than a moment
   * @param {(ms: number) => number} ago  server time so long ago
   */
  words(line, behind, ago) {
    const age = this.age;
    const seconds = Math.floor(age / 1000);
    const when = timeText(ago(age), ago(0));
    const since = seconds < 2 ? "now" : `${seconds} s ago`;
    const said = { quiet: "All quiet.", confirmed: `Confirmed ${since}.`, stale: false, notice: "", noticeTone: "warn" };
    if (this.#forbidden)
      return {
        ...said, text: "No access", tone: "warn", fact: "closed", confirmed: "", stale: true, noticeTone: "bad",
        notice: "You may not see these alerts any more. Ask an admin of the school.",
      };
    if (age > STALE_MS)
      return {
        ...said, text: `Stale, ${ageWords(seconds)} old`, tone: "warn", fact: FACTS[line], stale: true, noticeTone: "bad",
        quiet: "Not known now.", confirmed: `That was at ${when}; nothing is known since.`,
        notice: `This picture is from ${when}. The connection is lost and is tried again. Until it is back, ask and tell people another way.`,
      };
    if (line === "live" && !behind) return { ...said, text: `Live, ${since}`, tone: "", fact: "connected" };
    if (line === "live") return { ...said, text: `Catching up, ${since}`, tone: "warn", fact: "catching up" };
    return { ...said, text: `Not live, read ${since}`, tone: "warn", fact: FACTS[line] };
  }
}

const FACTS = {
  idle: "not connected",
  connecting: "connecting",
  resuming: "catching up",
  live: "catching up",
  waiting: "lost, trying again",
  ended: "closed",
};

const ageWords = (seconds) => (seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`);
