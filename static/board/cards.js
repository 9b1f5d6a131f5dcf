/** One alert on the screen: fills the server's markup (`_alert.html`). */

import {
  ageText, approvalWords, callWords, closeButton, placeWords, pressWords, stateWords, timeText, typeWords,
} from "./words.js";

/**
 * The state of an action that somebody on this screen has just started.
 * @typedef {{ busy: boolean, note: string, tone: "plain"|"bad" }} Doing
 */

export class Card {
  /** @param {HTMLElement} node */
  constructor(node) {
    this.node = node;
    this.slots = Object.fromEntries([...node.querySelectorAll("[data-slot]")].map((slot) => [slot.dataset.slot, slot]));
    this.parts = Object.fromEntries([...node.querySelectorAll("[data-if]")].map((part) => [part.dataset.if, part]));
    this.forms = Object.fromEntries([...node.querySelectorAll("form[data-act]")].map((f) => [f.dataset.act, f]));
    this.alert = null;
    this.doing = null;
    /** When its buttons last moved. */
    this.movedAt = -Infinity;
  }

  /** @param {import("./types.js").Alert} alert @param {import("./types.js").BoardData} data @param {Doing|undefined} doing */
  fill(alert, data, doing, now) {
    if (alert === this.alert && doing === this.doing) return;
    [this.alert, this.doing] = [alert, doing];
    const { node, parts } = this;
    const type = typeWords(data.types, alert.alert_type);
    const { room, where } = placeWords(alert);
    const taken = alert.status === "acknowledged";
    const outside = !alert.is_drill && type.outside;

    node.dataset.alert = alert.id;
    node.dataset.type = alert.alert_type;
    node.toggleAttribute("data-drill", alert.is_drill);
    node.toggleAttribute("data-silent", alert.is_silent);
    node.toggleAttribute("data-acknowledged", taken);
    this.slots.icon.setAttribute("href", `#icon-${data.types[alert.alert_type] ? alert.alert_type : "other"}`);
    this.#write("label", type.label);
    this.#write("saying", type.saying);
    this.#write("room", room);
    this.#write("where", where);
    this.#time("since", alert.triggered_at, now);
    this.#time("pressed", alert.triggered_at, now);
    this.#time("received", alert.received_at, now);
    this.#write("again", pressWords(alert));
    this.#time("last", alert.last_pressed_at, now);
    this.#write("state", stateWords(alert, data.me));
    this.#time("taken", alert.acknowledged_at, now);
    this.#write("approval", approvalWords(alert, data.me));
    this.#write("outside", outside || "");
    this.#write("call", outside ? callWords(alert, type.label, data.addresses) : "");
    show(parts.drill, alert.is_drill);
    show(parts.silent, alert.is_silent);
    show(parts.late, alert.is_late);
    show(parts.unattributed, alert.is_unattributed);
    show(parts.again, alert.presses > 1);
    show(parts.call, Boolean(outside));
    if (this.forms.resolve) this.#fillActs(alert, data, doing, taken);
    this.tick(now);
  }

  /** The running age. */
  tick(now) {
    const age = ageText(now - Date.parse(this.alert.triggered_at));
    if (this.slots.age.textContent !== age) this.slots.age.textContent = age;
  }

  #fillActs(alert, data, doing, taken) {
    const { label, open } = closeButton(alert, data.me);
    const acknowledge = this.forms.acknowledge.querySelector("button");
    const focused = [acknowledge, this.slots.close].find((button) => button === document.activeElement);
    if (this.forms.acknowledge.hidden !== taken) {
      show(this.forms.acknowledge, !taken);
      this.movedAt = performance.now();
    }
    this.#write("close", label);
    this.slots.close.disabled = !open || Boolean(doing?.busy);
    acknowledge.disabled = Boolean(doing?.busy);
    // The browser would move the focus of a hidden or disabled button to the page.
    if (focused && (focused.disabled || focused.form.hidden)) this.node.focus({ preventScroll: true });
    this.#write("note", doing?.note ?? "");
    this.slots.note.dataset.tone = doing?.tone ?? "plain";
  }

  #write(slot, text) {
    if (this.slots[slot] && this.slots[slot].textContent !== text) this.slots[slot].textContent = text;
  }

  #time(slot, at, now) {
    writeTime(this.slots[slot], at, now);
  }
}

/** Write a local time with seconds into a `<time>`; empty without a time. */
export function writeTime(node, at, now) {
  node.setAttribute("datetime", at ?? "");
  node.textContent = at ? timeText(at, now) : "";
}

export function show(node, visible) {
  node.hidden = !visible;
}
