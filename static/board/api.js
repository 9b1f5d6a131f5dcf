/** The HTTP calls of the board. Every failure is a `Refusal` that says what to do. */

const PATIENCE_MS = 10_000;
const MOST_PAGES = 50;

export class Refusal extends Error {
  /** @param {string} code @param {string} message @param {object|null} current  the alert as it stands now */
  constructor(code, message, current = null) {
    super(message);
    this.code = code;
    this.current = current;
  }
}

export class Api {
  /** @param {{ alerts: string, drills: string, troubles: string, organization: string, csrf: () => string,
   *           onDate: (date: string) => void }} options */
  constructor({ alerts, drills, troubles, organization, csrf, onDate }) {
    this.alerts = alerts;
    this.drills = drills;
    this.troubles = troubles;
    this.organization = organization;
    this.csrf = csrf;
    this.onDate = onDate;
  }

  /** Every open alert. */
  readOpen() {
    return this.#readAll(this.alerts, { status: "open" });
  }

  /** Every open trouble that is visible to this person. */
  readTroubles() {
    return this.#readAll(this.troubles, {});
  }

  /** A list, page by page. */
  async #readAll(path, query) {
    const found = [];
    const first = { ...query, limit: "100", organization: this.organization };
    let url = `${path}?${new URLSearchParams(first)}`;
    for (let page = 0; url && page < MOST_PAGES; page += 1) {
      const answer = await this.#call(url, { method: "GET" });
      found.push(...answer.results);
      url = answer.next && next(path, first, answer.next);
    }
    return found;
  }

  /** The buttons whose next press is a drill. */
  async readArmed() {
    const query = new URLSearchParams({ organization: this.organization });
    return (await this.#call(`${this.drills}?${query}`, { method: "GET" })).results;
  }

  /** @returns {Promise<object>} the alert as it stands after the act */
  async act(id, action) {
    const body = action === "resolve" ? "{}" : undefined;
    const query = new URLSearchParams({ organization: this.organization });
    const answer = await this.#call(`${this.alerts}/${id}/${action}?${query}`, { method: "PUT", body });
    return answer.alert ?? answer; // 202 awaiting_second_person wraps the document
  }

  async #call(url, init) {
    const headers = { Accept: "application/json" };
    if (init.method !== "GET") headers["X-CSRFToken"] = this.csrf();
    if (init.body) headers["Content-Type"] = "application/json";
    let response;
    let body = null;
    try {
      response = await fetch(url, { ...init, headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
      if (response.headers.get("Content-Type")?.includes("json")) body = await response.json();
    } catch {
      throw new Refusal("no_answer", "No answer from the server. Try again; until then tell people another way.");
    }
    const date = response.headers.get("Date");
    if (date) this.onDate(date);
    if (response.ok && body) return body;
    throw refusal(response.status, body);
  }
}

/** A `next` is a URL, or the cursor alone. */
function next(path, first, named) {
  if (!/^(https?:|\/)/.test(named)) return `${path}?${new URLSearchParams({ ...first, cursor: named })}`;
  const { pathname, search } = new URL(named, location.href);
  return pathname + search;
}

function refusal(status, problem) {
  const code = problem?.code ?? String(status);
  if (status === 401) return new Refusal("signed_out", "You are signed out. Sign in again to go on.");
  if (code === "csrf_failed") return new Refusal(code, "This page is too old to act. Reload it, then press again.");
  if (status === 403) return new Refusal(code, "Your role may not do this. Ask an operator or an admin of the school.");
  if (status === 404) return new Refusal(code, "This alert is not here any more. Reload the page to see what is open.");
  if (status === 409) return new Refusal(code, "Somebody was faster. The board shows how it stands now.", problem?.current);
  return new Refusal(code, "The server could not do it. Try again; if it stays so, tell people another way.");
}
