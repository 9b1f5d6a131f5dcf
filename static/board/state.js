/**
 * The state of the board, and how a message changes it. Pure: no clock, no page, no network.
 *
 * @typedef {import("./types.js").Alert} Alert
 * @typedef {import("./types.js").Trouble} Trouble
 * @typedef {import("./types.js").Armed} Armed
 * @typedef {{ kind: "created"|"pressed_again"|"acknowledged"|"approved"|"closed"|"unproven"|"trouble"|"recovered",
 *             alert?: Alert, trouble?: Trouble, live: boolean }} News   what to announce to people
 * @typedef {{
 *   organization: string,
 *   epoch: string|null,                 the history to which the numbers belong
 *   cursor: number,                     feed seq up to which the state is complete
 *   head: number,                       highest feed seq that the server has announced
 *   alerts: ReadonlyMap<string, Alert>, the open ones, by id
 *   closed: ReadonlyMap<string, Alert|null>, closed ones, so that an old message never reopens them
 *   unproven: ReadonlyMap<string, boolean>, open ones of a history that the server has lost, until it sends them
 *                                       again; true: people have been notified
 *   troubles: ReadonlyMap<string, Trouble>, the open ones, by id
 *   armed: ReadonlyMap<string, Armed>,  buttons whose next press is a drill, by device
 *   gap: boolean,                       something may have been missed
 *   reading: null | { upTo: number, touched: ReadonlySet<string> },
 * }} State
 */

const CLOSED_KEPT = 500;
const PROGRESS = { new: 0, acknowledged: 1, resolved: 2, cancelled: 2 };

/** @returns {State} the state that the server rendered; `complete` is false when more are open than it has */
export function initialState({
  organization, epoch = null, cursor, alerts, troubles = [], armed = [], complete = true,
}) {
  return {
    organization,
    epoch,
    cursor,
    head: cursor,
    alerts: new Map(alerts.filter(isOpen).map((alert) => [alert.id, alert])),
    closed: new Map(),
    unproven: new Map(),
    troubles: new Map(troubles.map((trouble) => [trouble.id, trouble])),
    armed: new Map(armed.map((one) => [one.device_id, one])),
    gap: !complete,
    reading: null,
  };
}

export const isOpen = (alert) => alert.status === "new" || alert.status === "acknowledged";

/** Behind what the server has announced: if this lasts, the list is read again. */
export const isBehind = (state) => state.gap || state.head > state.cursor;

/**
 * One message of the live feed.
 * @returns {{ state: State, news: News[] }}
 */
export function applyMessage(state, message) {
  switch (message.type) {
    case "alert.created":
    case "alert.updated":
      if (message.organization !== state.organization || message.seq <= state.cursor) return unchanged(state);
      return mergeAlert(received(state, message.seq), message.alert, true);
    case "device.trouble":
    case "device.recovered":
      if (message.organization !== state.organization || message.seq <= state.cursor) return unchanged(state);
      return mergeTrouble(received(state, message.seq), message.trouble, message.type === "device.recovered");
    case "drill.armed":
    case "drill.disarmed":
      if (message.organization !== state.organization || message.seq <= state.cursor) return unchanged(state);
      return unchanged(mergeArmed(received(state, message.seq), message.drill, message.type === "drill.armed"));
    case "ready": // a head beyond the cursor: events for others, or the server never received the cursor
    case "ping": {
      const head = message.organizations?.[state.organization] ?? state.head;
      if (isOtherHistory(state, message, head)) return unchanged(startOver(state, message.epoch, head));
      return unchanged(heardOf({ ...state, epoch: message.epoch ?? state.epoch }, head));
    }
    case "resync":
      if (message.organization !== state.organization) return unchanged(state);
      if (isOtherHistory(state, message, message.seq)) return unchanged(startOver(state, message.epoch, message.seq));
      // The cursor was too old for the feed: read the list, then continue from here.
      return unchanged({ ...state, cursor: Math.min(state.cursor, message.seq), head: message.seq, gap: true });
    default: // `changed` is not displayed, and a newer server may send other types: they still advance the cursor
      if (message.organization !== state.organization || !(message.seq > state.cursor)) return unchanged(state);
      return unchanged(received(state, message.seq));
  }
}

/** Before the list is read: messages that arrive meanwhile are newer than the list. */
export function startReading(state) {
  return { ...state, reading: { upTo: state.head, touched: new Set() } };
}

export function abandonReading(state) {
  return { ...state, reading: null };
}

/**
 * The list of open alerts as read from the server.
 * @returns {{ state: State, news: News[] }}
 */
export function applyList(state, listed) {
  if (!state.reading) return unchanged(state); // of a history that was lost while the list was being read
  const { touched, upTo } = state.reading;
  const present = new Set(listed.map((alert) => alert.id));
  const alerts = new Map();
  const closed = new Map(state.closed);
  const unproven = new Map(state.unproven);
  const news = [];
  for (const [id, known] of state.alerts) {
    if (present.has(id) || touched.has(id)) alerts.set(id, known);
    else if (state.unproven.has(id)) {
      // The server has lost it, but the emergency may be real. It disappears when the page is reloaded.
      alerts.set(id, known);
      if (!state.unproven.get(id)) news.push({ kind: "unproven", alert: known, live: false });
      unproven.set(id, true);
    } else {
      // Closed while this page was not connected; who closed it is in the record, not in this list.
      remember(closed, id, null);
      news.push({ kind: "closed", alert: known, live: false });
    }
  }
  let next = { ...state, alerts, closed, unproven, reading: null, gap: false, cursor: Math.max(state.cursor, upTo) };
  for (const alert of listed) {
    const merged = mergeAlert(next, alert, false);
    next = merged.state;
    news.push(...merged.news);
  }
  return { state: next, news };
}

/** The list of armed buttons as read from the server. */
export function applyArmed(state, listed) {
  return { ...state, armed: new Map(listed.map((one) => [one.device_id, one])) };
}

/** The buttons whose next press is a drill at this moment (ms), by the server's clock. */
export const armedAt = (state, now) => [...state.armed.values()].filter((one) => Date.parse(one.expires_at) > now);

/** The list of open troubles as read from the server; a trouble that began or ended meanwhile is newer. */
export function applyTroubles(state, listed) {
  if (!state.reading) return state;
  const { touched } = state.reading;
  const troubles = new Map([...state.troubles].filter(([id]) => touched.has(id)));
  for (const trouble of listed) if (!touched.has(trouble.id)) troubles.set(trouble.id, trouble);
  return { ...state, troubles };
}

/**
 * An alert document from the response to this person's own action.
 * @returns {{ state: State, news: News[] }}
 */
export const applyAnswer = (state, alert) => mergeAlert(state, alert, false);

/** Open alerts by importance: real before drill, gravest, newest. The order of two alerts never changes. */
export function ordered(state, gravity) {
  const rank = (alert) => {
    const at = gravity.indexOf(alert.alert_type);
    return at < 0 ? -1 : at; // an unknown type counts as the gravest
  };
  return [...state.alerts.values()].sort(
    (a, b) =>
      Number(a.is_drill) - Number(b.is_drill) ||
      rank(a) - rank(b) ||
      descending(a.triggered_at, b.triggered_at) ||
      descending(a.id, b.id),
  );
}

function mergeAlert(state, alert, live) {
  const known = state.alerts.get(alert.id);
  const proven = !state.unproven.has(alert.id);
  if (state.closed.has(alert.id) || (known && proven && isOlder(alert, known))) return unchanged(state);
  const alerts = new Map(state.alerts);
  const news = newsOf(known, alert).map((kind) => ({ kind, alert, live }));
  const unproven = new Map(state.unproven);
  unproven.delete(alert.id);
  const merged = { ...touch(state, alert.id), alerts, unproven };
  if (isOpen(alert)) {
    alerts.set(alert.id, alert);
    return { state: merged, news };
  }
  alerts.delete(alert.id);
  const closed = new Map(state.closed);
  remember(closed, alert.id, alert);
  return { state: { ...merged, closed }, news };
}

function newsOf(known, alert) {
  if (!isOpen(alert)) return known ? ["closed"] : [];
  if (!known) return ["created"];
  const kinds = [];
  if (alert.presses > known.presses) kinds.push("pressed_again");
  if (alert.status === "acknowledged" && known.status === "new") kinds.push("acknowledged");
  if (alert.approvals.given > known.approvals.given) kinds.push("approved");
  return kinds;
}

/** Status, presses and approvals only ever grow: a document with less of any is an older one. */
function isOlder(alert, known) {
  return (
    PROGRESS[alert.status] < PROGRESS[known.status] ||
    alert.presses < known.presses ||
    (isOpen(alert) && alert.approvals.given < known.approvals.given)
  );
}

function mergeTrouble(state, trouble, recovered) {
  const troubles = new Map(state.troubles);
  if (recovered) troubles.delete(trouble.id);
  else troubles.set(trouble.id, trouble);
  const news = [{ kind: recovered ? "recovered" : "trouble", trouble, live: true }];
  return { state: { ...touch(state, trouble.id), troubles }, news };
}

function mergeArmed(state, drill, isArmed) {
  const armed = new Map(state.armed);
  if (isArmed) armed.set(drill.device_id, drill);
  else armed.delete(drill.device_id);
  return { ...state, armed };
}

function remember(closed, id, alert) {
  closed.set(id, alert);
  if (closed.size > CLOSED_KEPT) closed.delete(closed.keys().next().value);
}

const descending = (a, b) => (a < b ? 1 : a > b ? -1 : 0);

/** Another epoch, or a head that went back: the database was restored or failed over, and may have lost events. */
const isOtherHistory = (state, message, head) =>
  head < state.cursor || (message.epoch && state.epoch && message.epoch !== state.epoch);

/** Displayed alerts may be outdated, and closed ones may be open again: everything is read again. */
const startOver = (state, epoch, head) => ({
  ...state,
  epoch: epoch ?? state.epoch,
  cursor: Math.min(state.cursor, head),
  head,
  gap: true,
  closed: new Map(),
  unproven: new Map([...state.alerts.keys()].map((id) => [id, false])),
  reading: null, // a list that is being read may belong to the lost history
});

/** While a list is read: this is newer than the list. */
const touch = (state, id) =>
  state.reading ? { ...state, reading: { ...state.reading, touched: new Set(state.reading.touched).add(id) } } : state;

const heardOf = (state, head) => (head > state.head ? { ...state, head } : state);

/** Numbers are times, so they have gaps; the head in the next ping shows whether a message was lost. */
const received = (state, seq) =>
  seq > state.cursor ? { ...state, cursor: seq, head: Math.max(seq, state.head) } : heardOf(state, seq);
const unchanged = (state) => ({ state, news: [] });
