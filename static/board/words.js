/**
 * Texts of the board. Pure; `apps/portal/cards.py` writes the same texts on the server, and a test compares them.
 *
 * @typedef {import("./types.js").Alert} Alert
 * @typedef {import("./types.js").TypeWords} TypeWords
 */

/** @param {Record<string, TypeWords>} types */
export function typeWords(types, type) {
  return types[type] ?? { label: capital(type.replaceAll("_", " ")), saying: "", outside: null };
}

/** @returns {{ room: string, where: string }} */
export function placeWords(alert) {
  const { place, device } = alert;
  if (!place) return { room: "Place unknown", where: device ? `Button ${device.device_id}` : "" };
  const { room_number: number, name } = place.room;
  const room = /\d/.test(number) ? `Room ${number}` : number;
  const parts = [name === number ? null : name, place.floor.name, place.building.name, place.site.name];
  return { room, where: parts.filter(Boolean).join(", ") };
}

/** The text to read aloud to the person who answers the call. */
export function callWords(alert, label, addresses) {
  const { place } = alert;
  if (!place) return `${label}. The place is not known yet.`;
  const parts = [place.site.name, addresses[place.site.id], place.building.name, place.floor.name, placeWords(alert).room];
  return `${label} at ${parts.filter(Boolean).join(", ")}.`;
}

/** Who has acknowledged it, without the time. */
export function stateWords(alert, me) {
  if (!alert.acknowledged_by && !alert.acknowledged_at) return "Nobody has acknowledged this yet.";
  const who = alert.acknowledged_by?.id === me.id ? "You" : (alert.acknowledged_by?.name ?? "Somebody in the building");
  return `${who} acknowledged this at `;
}

/** The progress of the all clear; empty when nobody has given it. */
export function approvalWords(alert, me) {
  const { given, required, by } = alert.approvals;
  if (required < 2 || given < 1) return "";
  const names = by.map((person) => (person.id === me.id ? "you" : person.name)).join(", ");
  return `All clear: ${given} of ${required}, given by ${names}. A second person must confirm.`;
}

export function pressWords(alert) {
  return alert.presses > 1 ? `Pressed again, ${alert.presses} presses in all, the last at ` : "";
}

/** The close button of an open alert: its label, and whether this person may press it. */
export function closeButton(alert, me) {
  const { given, required, by } = alert.approvals;
  if (required < 2) return { label: "Resolve", open: true };
  if (given < 1) return { label: `All clear (1 of ${required})`, open: true };
  const mine = by.some((person) => person.id === me.id);
  return mine
    ? { label: `All clear given (${given} of ${required})`, open: false }
    : { label: `Confirm all clear (${given + 1} of ${required})`, open: true };
}

/** @returns {{ at: string, text: string, after: number }[]} the known steps in order; `after` in ms */
export function timeline(alert, shownAt) {
  const { hops } = alert;
  const pressed = Date.parse(hops.pressed_at ?? alert.triggered_at);
  const raised = alert.source === "button" ? `${placeWords(alert).room} pressed` : `Raised, ${SOURCES[alert.source]}`;
  const again = alert.presses > 1 ? `Pressed again, ${alert.presses} in all` : null;
  const who = alert.acknowledged_by?.name ?? "somebody in the building";
  return [
    [hops.pressed_at ?? alert.triggered_at, raised],
    [hops.arrived_at, "At the gateway"],
    [hops.stored_at, "Stored by the gateway"],
    [hops.acted_at, "The gateway acted"],
    [hops.received_at ?? alert.received_at, "In the cloud"],
    [shownAt, "On this screen"],
    [again && alert.last_pressed_at, again],
    [alert.acknowledged_at, `Acknowledged by ${who}`],
  ]
    .filter(([at]) => at)
    .map(([at, text]) => ({ at, text, after: Date.parse(at) - pressed }))
    .sort((a, b) => a.after - b.after);
}

/** What a trouble concerns, and what is wrong. */
export function troubleWords({ device, gateway, kind, detail }) {
  const who = device ? `Button ${device}` : gateway ? `Gateway ${gateway.name}` : "SafeSignal";
  return `${who}: ${detail ?? kind.replaceAll("_", " ")}`;
}

const SOURCES = { mobile: "from a phone", web: "from the web", api: "by another system" };

/** Running age: 01:24, 1:02:03, 2 days 03:04. */
export function ageText(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  if (h >= 24) return `${Math.floor(h / 24)} d ${two(h % 24)}:${two(m)}`;
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${two(m)}:${two(s % 60)}`;
}

/** Time passed since the press, as measured: +0.04 s, +41 s, +2 min 05 s. */
export function afterText(ms) {
  const s = ms / 1000;
  if (Math.abs(s) < 10) return `${s < 0 ? "-" : "+"}${Math.abs(s).toFixed(2)} s`;
  if (Math.abs(s) < 60) return `+${Math.round(s)} s`;
  return `+${ageText(ms)}`;
}

const local = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** Local time with seconds; with the day when it is not today. */
export function timeText(at, now) {
  const date = new Date(at);
  const time = local.format(date);
  return date.toDateString() === new Date(now).toDateString() ? time : `${day.format(date)}, ${time}`;
}

/** One sentence for screen readers. */
export function spoken(kind, alert, types) {
  const { room, where } = placeWords(alert);
  const label = typeWords(types, alert.alert_type).label;
  const marks = [alert.is_drill && "Drill", alert.is_silent && "Silent", alert.is_late && "Late"].filter(Boolean);
  const subject = [...marks, label, room].join(", ");
  switch (kind) {
    case "created":
      return `${subject}${where ? `, ${where}` : ""}.`;
    case "pressed_again":
      return `Pressed again: ${subject}.`;
    case "acknowledged":
      return `${alert.acknowledged_by?.name ?? "Somebody"} acknowledged: ${subject}.`;
    case "approved":
      return `All clear, ${alert.approvals.given} of ${alert.approvals.required}: ${subject}.`;
    case "unproven":
      return `The server was restored and does not know this alert any more: ${subject}.`;
    default:
      return `Closed: ${subject}.`;
  }
}

const two = (n) => String(n).padStart(2, "0");
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
