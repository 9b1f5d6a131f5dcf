/**
 * The live board: feed -> state -> page. The server renders the open alerts with their feed seq, and this page updates
 * itself from there.
 */

import { Api } from "./api.js";
import { Announcer } from "./announce.js";
import { ServerClock } from "./clock.js";
import { Feed, NO_RIGHT, SIGNED_OUT } from "./feed.js";
import { Freshness, STALE_MS } from "./fresh.js";
import { View } from "./render.js";
import { Sound } from "./sound.js";
import {
  abandonReading, applyAnswer, applyArmed, applyList, applyMessage, applyTroubles, armedAt, initialState, isBehind,
  ordered, startReading,
} from "./state.js";

const DRAW_EVERY_MS = 50;
const TICK_MS = 500;
const SETTLE_MS = 2_000; // a head may arrive shortly before its message
const BEHIND_MS = 6_000; // events for others move the head too: report it only if it lasts
const READ_PAUSE_MS = 4_000;
const SLIP_MS = 600; // a click this soon after something moved was meant for the earlier target
const CLOCK_GOOD_MS = 150;
const RELOAD_AFTER_MS = 20_000; // prevents a reload loop
const UNPROVEN =
  "The server was restored from a backup and does not know this alert any more. Ask the room; reload to take it away.";

/** @type {import("./types.js").BoardData} */
const data = JSON.parse(document.getElementById("board-data").textContent);
const clock = new ServerClock(data.renderedAt);
const view = new View(data, () => clock.now());
const announcer = new Announcer(data.types);
const fresh = new Freshness();
const sound = new Sound(() => {
  view.showSound(sound.on);
  ring([]);
});
const api = new Api({
  alerts: data.urls.alerts,
  drills: data.urls.drills,
  troubles: data.urls.troubles,
  organization: data.organization.id,
  csrf: () => document.querySelector("[name=csrfmiddlewaretoken]").value,
  onDate: (date) => clock.answered(date),
});

let state = initialState({ ...data, organization: data.organization.id });
let behindSince = null;
let readAfter = 0;
let drawnAt = -Infinity;
let drawing = null;
const doing = new Map();
const shown = new Map();
const ended = [];

const feed = new Feed({
  url: Object.assign(new URL(data.urls.feed, location.href), {
    protocol: location.protocol === "https:" ? "wss:" : "ws:",
  }).href,
  resume: () => ({ type: "resume", epoch: state.epoch, organizations: { [state.organization]: state.cursor } }),
  onMessage: hear,
  onLine: (line, code) => {
    if (code === SIGNED_OUT) signIn();
    if (code === NO_RIGHT) void rightsChanged();
    if (line === "waiting") void read();
    showLine();
  },
});

function hear(message) {
  if (message.at) clock.heard(message.at);
  settle(applyMessage(state, message));
  if (!isBehind(state)) fresh.proven();
  if (state.gap || (message.type === "ready" && isBehind(state))) void read();
}

/** Set a new state, and announce the news. */
function settle({ state: next, news }) {
  state = next;
  behindSince = isBehind(state) ? (behindSince ?? performance.now()) : null;
  for (const item of news) {
    if (item.kind === "closed") {
      ended.push({ alert: item.alert, at: item.alert.resolved_at ?? new Date(clock.now()).toISOString() });
      doing.delete(item.alert.id);
    }
    if (item.kind === "acknowledged" || item.kind === "approved") answered(item.alert.id);
    if (item.kind === "unproven") doing.set(item.alert.id, { busy: false, note: UNPROVEN, tone: "bad" });
  }
  draw(news);
}

/** Render at once, but at most 20 times a second. */
function draw(news = []) {
  announcer.tell(news, state.alerts.size);
  ring(news);
  for (const { kind, alert, live } of news) if (kind === "created" && live) shown.set(alert.id, null);
  if (drawing !== null) return;
  drawing = setTimeout(paint, drawnAt + DRAW_EVERY_MS - performance.now());
  if (performance.now() - drawnAt > DRAW_EVERY_MS) paint();
}

function paint() {
  clearTimeout(drawing);
  drawing = null;
  drawnAt = performance.now();
  const alerts = ordered(state, data.gravity);
  const rest = { shown, ended, troubles: state.troubles.values() };
  const waiting = alerts.filter((alert) => shown.get(alert.id) === null);
  for (const alert of waiting) shown.delete(alert.id);
  view.show(alerts, doing, rest);
  view.showArmed(armedAt(state, clock.now()));
  if (waiting.length && clock.error < CLOCK_GOOD_MS) measure(waiting, alerts, rest);
  showLine();
}

/** Record when an alert appeared on this screen, once it is in the page. */
function measure(arrived, alerts, rest) {
  const at = new Date(clock.now()).toISOString();
  for (const alert of arrived) shown.set(alert.id, at);
  const last = arrived.at(-1);
  if (last.hops.pressed_at && !last.is_late) view.showLatency(Date.parse(at) - Date.parse(last.hops.pressed_at));
  view.show(alerts, doing, rest);
}

/** Sound until somebody acknowledges. A SILENT alert never makes a sound. */
function ring(news) {
  const loud = (alert) => alert.status === "new" && !alert.is_silent;
  const calls = news.some(({ kind, alert }) => (kind === "created" || kind === "pressed_again") && loud(alert));
  const open = [...state.alerts.values()].some(loud);
  if (calls || (open && !sound.ringing)) sound.alarm();
  else if (!open) sound.rest();
}

/** Read the list of open alerts, after a gap and while the feed is unavailable. */
async function read() {
  if (state.reading || performance.now() < readAfter) return;
  readAfter = performance.now() + READ_PAUSE_MS * (0.75 + 0.5 * Math.random());
  state = startReading(state);
  try {
    const [alerts, troubles] = await Promise.all([api.readOpen(), readTroubles()]);
    if (troubles) state = applyTroubles(state, troubles);
    settle(applyList(state, alerts));
    state = applyArmed(state, await api.readArmed());
    if (!isBehind(state)) fresh.proven();
  } catch (refusal) {
    state = abandonReading(state);
    if (refusal.code === "signed_out") signIn();
  }
  showLine();
}

/** The open troubles; null if they are not visible or could not be read. Alerts do not wait for them. */
const readTroubles = () => (data.maySeeDevices ? api.readTroubles().catch(() => null) : null);

async function act(form) {
  const { id, action } = View.actOf(form);
  if (doing.get(id)?.busy) return;
  note(id, { busy: true, note: "", tone: "plain" });
  const slow = setTimeout(() => {
    if (doing.get(id)?.busy) note(id, { busy: true, note: "Sent, no answer yet.", tone: "plain" });
  }, 1_500);
  try {
    const alert = await api.act(id, action);
    answered(id);
    settle(applyAnswer(state, alert));
  } catch (refusal) {
    if (refusal.code === "signed_out") signIn();
    note(id, { busy: false, note: refusal.message, tone: "bad" });
    if (refusal.current) settle(applyAnswer(state, refusal.current));
  } finally {
    clearTimeout(slow);
  }
  draw();
}

/** End the pending action. A note that arrived meanwhile stays, since nobody has read it yet. */
function answered(id) {
  if (doing.get(id)?.busy) doing.delete(id);
}

function note(id, what) {
  doing.set(id, what);
  paint();
}

const behindFor = () => (behindSince === null ? 0 : performance.now() - behindSince);

function showLine() {
  view.showLine(fresh.words(feed.state, behindFor() > BEHIND_MS, (ms) => clock.now() - ms));
}

function signIn() {
  feed.end();
  const next = location.pathname + location.search;
  location.assign(`${data.urls.login}?${new URLSearchParams({ next })}`);
}

/** The role has changed: reload, so that the server renders what this person may see and do now. */
async function rightsChanged() {
  const code = await api.readOpen().then(() => "may", (refusal) => refusal.code);
  if (code === "signed_out") signIn();
  else if (performance.now() > RELOAD_AFTER_MS) location.reload();
  else forbid();
}

function forbid() {
  state = initialState({ ...state, alerts: [], troubles: [], armed: [] });
  ended.length = 0;
  sound.rest();
  fresh.forbidden();
  paint();
  view.blank();
}

document.getElementById("alerts").addEventListener("submit", (event) => {
  event.preventDefault();
  const { id } = View.actOf(event.target);
  const byPointer = event.submitter && !event.submitter.matches(":focus-visible");
  if (byPointer && view.movedSince(id) < SLIP_MS) {
    note(id, { busy: false, note: "This button moved just now. Press again if you mean it.", tone: "bad" });
    return;
  }
  void act(event.target);
});
document.getElementById("sound").addEventListener("click", () => void sound.toggle());
window.addEventListener("online", () => feed.hurry());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) feed.hurry(fresh.age > STALE_MS); // after a phone has slept
});
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

setInterval(() => {
  view.tick();
  view.showArmed(armedAt(state, clock.now()));
  showLine();
  if (behindFor() > SETTLE_MS) void read();
}, TICK_MS);

view.showSound(sound.on);
paint();
feed.open();
if (isBehind(state)) void read();
