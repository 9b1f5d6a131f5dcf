// The form of a page behind the link of an e-mail: sends its fields to the API, with the secret of the link.

const KEPT = `safesignal.link ${window.location.pathname}`;
const main = document.querySelector("[data-link]");
const error = main.querySelector("[data-error]");

/** Remove the secret from the address bar at once; it stays in this tab while its owner signs in. */
function takeSecret() {
  const given = window.location.hash.slice(1);
  if (given) {
    window.sessionStorage.setItem(KEPT, given);
    window.history.replaceState(null, "", window.location.pathname);
  }
  return given || window.sessionStorage.getItem(KEPT);
}

function show(name) {
  for (const part of main.querySelectorAll("[data-part]")) part.hidden = part.dataset.part !== name;
}

function complain(text, field) {
  error.textContent = text;
  error.hidden = false;
  field?.focus();
}

/** The problem's errors for the fields of this form, else its detail. */
function explain(problem, form) {
  for (const [name, reasons] of Object.entries(problem.errors ?? {})) {
    const field = form.elements[name];
    if (field) return complain([reasons].flat().join(" "), field);
  }
  return complain(problem.detail);
}

async function send(form) {
  const { csrfmiddlewaretoken: csrf, ...fields } = Object.fromEntries(new FormData(form));
  const headers = { "Content-Type": "application/json", ...(csrf && { "X-CSRFToken": csrf }) };
  const body = JSON.stringify({ ...fields, token: secret });
  const answer = await fetch(form.dataset.api, { method: "POST", headers, body });
  if (answer.ok) {
    window.sessionStorage.removeItem(KEPT);
    show("done");
    main.querySelector('[data-part="done"] a').focus();
    return;
  }
  const problem = await answer.json();
  if (problem.code === "account_exists") show("account-exists");
  else explain(problem, form);
}

const secret = takeSecret();
for (const place of main.querySelectorAll("[data-secret]")) place.textContent = secret;
show(secret ? "form" : "no-secret");
for (const form of main.querySelectorAll("form[data-api]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    error.hidden = true;
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      await send(form);
    } catch {
      complain("There is no connection to SafeSignal. Try again in a moment.");
    } finally {
      button.disabled = false;
    }
  });
}

// Opening another link of the same page in this tab changes only the fragment.
window.addEventListener("hashchange", () => window.location.reload());
