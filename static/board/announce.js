/** Announces news to screen readers: alarms at once, the rest in the next pause. */

import { spoken } from "./words.js";

const GATHER_MS = 1_500;

export class Announcer {
  #now = document.getElementById("say-now");
  #later = document.getElementById("say-later");
  #more = 0;
  #timer = null;

  constructor(types) {
    this.types = types;
  }

  /** @param {import("./state.js").News[]} news @param {number} open  how many alerts are open */
  tell(news, open) {
    for (const { kind, alert } of news) {
      if (kind === "created" || kind === "pressed_again") this.#alarm(kind, alert, open);
      else if (alert) this.#later.textContent = spoken(kind, alert, this.types);
    }
  }

  /** Name the first alarm; count those that follow within a moment. */
  #alarm(kind, alert, open) {
    if (this.#timer === null) {
      this.#now.textContent = spoken(kind, alert, this.types);
      this.#timer = setTimeout(() => this.#rest(), GATHER_MS);
    } else {
      this.#more += 1;
    }
    this.#open = open;
  }

  #open = 0;

  #rest() {
    this.#timer = null;
    if (this.#more) this.#now.textContent = `${this.#more} more, ${this.#open} alerts are open.`;
    this.#more = 0;
  }
}
