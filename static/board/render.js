/** Renders the state. Nodes are created once and changed in place, so that the focus stays where it was. */

import { Card, show, writeTime } from "./cards.js";
import { afterText, placeWords, timeline, timeText, troubleWords, typeWords } from "./words.js";

const ENDED_SHOWN = 8;

export class View {
  #cards = new Map();
  #storyKey = "";
  #name = "";
  #movedAt = -Infinity;

  /** @param {import("./types.js").BoardData} data @param {() => number} now  the server's clock */
  constructor(data, now) {
    this.data = data;
    this.now = now;
    this.at = (id) => document.getElementById(id);
    for (const node of this.at("alerts").children) this.#cards.set(node.dataset.alert, new Card(node));
    for (const node of document.querySelectorAll("[data-local]")) writeTime(node, node.dateTime, now());
  }

  /**
   * @param {import("./types.js").Alert[]} alerts  in the order to show
   * @param {Map<string, import("./cards.js").Doing>} doing
   * @param {{ shown: Map<string, string>, ended: { alert: object, at: string }[], troubles: Iterable<object> }} rest
   */
  show(alerts, doing, rest) {
    this.#showCards(alerts, doing);
    const first = alerts[0];
    this.at("board").dataset.state = first ? "alarm" : "quiet";
    show(this.at("quiet"), !first);
    this.#showStory(first, first && rest.shown.get(first.id));
    this.#showEnded(rest.ended);
    this.#showTroubles([...rest.troubles]);
    this.#write("count", countWords(alerts.length));
    const head = first && `${typeWords(this.data.types, first.alert_type).label}, ${placeWords(first).room}`;
    this.#name = first ? `(${alerts.length}) ${first.is_drill ? "DRILL " : ""}${head}` : "All quiet";
  }

  /** Hide even the quiet panel: the state is unknown. */
  blank() {
    show(this.at("quiet"), false);
    this.#write("count", "No access");
    this.#name = "No access";
  }

  tick() {
    for (const card of this.#cards.values()) card.tick(this.now());
  }

  /** @param {{ text: string, quiet: string, tone: ""|"warn", fact: string, stale: boolean, notice: string, noticeTone: string, confirmed: string }} line */
  showLine(line) {
    this.#pill("line", line.text, line.tone);
    this.#write("fact-line", line.fact);
    this.#write("quiet-word", line.quiet);
    this.#write("confirmed", line.confirmed);
    this.at("board").toggleAttribute("data-stale", line.stale);
    this.#title(line.stale ? `Stale: ${this.#name}` : this.#name);
    const strip = this.at("strip");
    if (strip.textContent !== line.notice) strip.textContent = line.notice;
    strip.dataset.tone = line.noticeTone;
    show(strip, Boolean(line.notice));
  }

  showSound(on) {
    const button = this.at("sound");
    show(button, true);
    button.setAttribute("aria-pressed", String(on));
    this.#pill("sound", on ? "Sound on" : "Sound is off: turn on", on ? "" : "warn");
    this.#write("fact-sound", on ? "on" : "off");
  }

  /** The measured time from the last press to this screen. */
  showLatency(ms) {
    const fact = this.at("fact-shown");
    fact.querySelector("dd").textContent = afterText(ms).slice(1);
    show(fact, true);
  }

  /** The alert and the action of a form. */
  static actOf(form) {
    return { id: form.closest("[data-alert]").dataset.alert, action: form.dataset.act };
  }

  /** Time since cards or buttons moved: a click right after that may hit another target than the person meant. */
  movedSince(id) {
    return performance.now() - Math.max(this.#movedAt, this.#cards.get(id)?.movedAt ?? -Infinity);
  }

  #showCards(alerts, doing) {
    const list = this.at("alerts");
    const open = new Set(alerts.map((alert) => alert.id));
    for (const [id, card] of this.#cards) {
      if (open.has(id)) continue;
      const held = card.node.contains(document.activeElement);
      const heir = card.node.nextElementSibling ?? card.node.previousElementSibling ?? list;
      if (card.node.nextElementSibling) this.#movedAt = performance.now();
      card.node.remove();
      this.#cards.delete(id);
      if (held) heir.focus({ preventScroll: true });
    }
    let place = list.firstElementChild;
    for (const alert of alerts) {
      let card = this.#cards.get(alert.id);
      if (!card) {
        card = new Card(this.at("alert-template").content.firstElementChild.cloneNode(true));
        this.#cards.set(alert.id, card);
        if (place) this.#movedAt = performance.now();
        card.fill(alert, this.data, doing.get(alert.id), this.now());
        list.insertBefore(card.node, place);
      } else {
        card.fill(alert, this.data, doing.get(alert.id), this.now());
        place = card.node.nextElementSibling;
      }
    }
  }

  #showStory(alert, shownAt) {
    show(this.at("story"), Boolean(alert));
    if (!alert) return;
    const steps = timeline(alert, shownAt);
    const key = JSON.stringify([alert.id, steps]);
    if (key === this.#storyKey) return;
    this.#storyKey = key;
    this.at("story").querySelector('[data-slot="story-of"]').textContent = `: ${placeWords(alert).room}`;
    const template = this.at("step-template").content.firstElementChild;
    const rows = steps.map(({ at, text, after }, index) => {
      const row = template.cloneNode(true);
      writeTime(row.querySelector("time"), at, this.now());
      row.querySelector('[data-slot="text"]').textContent = text;
      row.querySelector('[data-slot="after"]').textContent = index ? afterText(after) : "";
      return row;
    });
    this.at("steps").replaceChildren(...rows);
  }

  #showEnded(ended) {
    show(this.at("ended"), ended.length > 0);
    const rows = ended.slice(-ENDED_SHOWN).reverse().map(({ alert, at }) => {
      const label = typeWords(this.data.types, alert.alert_type).label;
      const by = alert.resolved_by ? `, ${alert.resolved_by.name}` : "";
      return line(`${alert.is_drill ? "Drill: " : ""}${label}, ${placeWords(alert).room}`, `${timeText(at, this.now())}${by}`);
    });
    this.at("ended-rows").replaceChildren(...rows);
  }

  #showTroubles(troubles) {
    show(this.at("needs"), troubles.length > 0);
    const rows = troubles.map((trouble) => {
      const row = line("", `since ${timeText(trouble.since, this.now())}`);
      const strong = document.createElement("b");
      strong.textContent = troubleWords(trouble);
      row.firstElementChild.replaceWith(strong);
      return row;
    });
    this.at("troubles").replaceChildren(...rows);
  }

  /** The buttons whose next press is a drill and not an alarm. */
  showArmed(armed) {
    show(this.at("armed"), armed.length > 0);
    const rows = armed.map((one) => line(one.room ?? `Button ${one.device_id}`, `until ${timeText(one.expires_at, this.now())}`));
    this.at("armed-rows").replaceChildren(...rows);
  }

  #pill(id, text, tone) {
    const pill = this.at(id);
    pill.dataset.tone = tone;
    const words = pill.querySelector("span");
    if (words.textContent !== text) words.textContent = text;
  }

  #title(name) {
    const title = `${name} · ${this.data.organization.name}`;
    if (document.title !== title) document.title = title;
  }

  #write(id, text) {
    if (this.at(id).textContent !== text) this.at(id).textContent = text;
  }
}

function countWords(count) {
  if (!count) return "No open alerts";
  return count === 1 ? "1 open alert" : `${count} open alerts`;
}

function line(left, right) {
  const row = document.createElement("li");
  for (const text of [left, right]) row.append(Object.assign(document.createElement("span"), { textContent: text }));
  return row;
}
