// Keeps the page as the program has it, without a reload. Without this script every form still works.

const notice = document.getElementById("notice");
let refreshing = false;
let again = false;

/** Says something to the person, also to one who listens. */
function say(text, bad) {
  notice.textContent = text;
  notice.className = bad ? "bad" : "";
}

/** Whether somebody has typed something here that is not saved. */
function isDirty(form) {
  return [...form.elements].some((field) => field.type !== "hidden" && "defaultValue" in field && field.value !== field.defaultValue);
}

/** Makes one element like another, and leaves alone what is equal: focus, selection, open details and typed text stay. */
function morph(from, to) {
  if (from.isEqualNode(to)) return;
  if (from.nodeType !== Node.ELEMENT_NODE || from.nodeName !== to.nodeName) return from.replaceWith(to);
  if (from.dataset.keep !== undefined && isDirty(from)) {
    from.dataset.stale = "";
    return;
  }
  for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  for (const { name } of [...from.attributes]) if (!to.hasAttribute(name) && name !== "open") from.removeAttribute(name);
  morphChildren(from, to);
  if (from.matches("select, option")) from.selected = to.selected;
}

/** Children that have an id are found by it; the others by their place. */
function morphChildren(from, to) {
  const kept = new Set([...to.children].map((child) => child.id).filter(Boolean));
  for (const child of [...from.children]) if (child.id && !kept.has(child.id)) child.remove();
  const known = new Map([...from.children].filter((child) => child.id).map((child) => [child.id, child]));
  let next = from.firstChild;
  for (const child of [...to.childNodes]) {
    const match = child.id ? known.get(child.id) : next && !next.id && next.nodeName === child.nodeName ? next : null;
    if (!match) {
      from.insertBefore(child, next);
      continue;
    }
    if (match === next) next = next.nextSibling;
    else from.insertBefore(match, next);
    morph(match, child);
  }
  while (next) {
    const after = next.nextSibling;
    next.remove();
    next = after;
  }
}

/** If what had the focus is gone, the nearest thing around it that is left gets it. */
function keepFocus(change) {
  const around = [];
  for (let node = document.activeElement; node && node !== document.body; node = node.parentElement) around.push(node);
  change();
  if (!around.length || around[0].isConnected) return;
  const left = around.find((node) => node.isConnected) ?? document.getElementById("content");
  const head = left.querySelector("[tabindex='-1']") ?? left;
  if (head.tabIndex < 0) head.tabIndex = -1;
  head.focus({ preventScroll: true });
}

/** Fetches this page and makes what is shown like it. One fetch at a time; what changes meanwhile is fetched after it. */
async function refresh() {
  if (refreshing) {
    again = true;
    return;
  }
  refreshing = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    keepFocus(() => {
      document.title = page.title;
      for (const id of ["top", "content"]) morph(document.getElementById(id), page.getElementById(id));
    });
    document.body.classList.remove("away");
  } catch {
    document.body.classList.add("away");
    say("The program of this page does not answer. Start it again. What you have typed stays here until it is back.", true);
  }
  refreshing = false;
  if (again) {
    again = false;
    refresh();
  }
}

/** Sends a form, and says what came of it. What was typed goes only when it is saved. */
async function send(form, button) {
  if (form.dataset.sending !== undefined) return;
  form.dataset.sending = "";
  try {
    const body = new URLSearchParams(new FormData(form, button));
    const answer = await fetch(form.action, { method: "POST", body, headers: { accept: "text/plain" } });
    say(await answer.text(), !answer.ok);
    if (answer.ok) {
      form.reset();
      delete form.dataset.stale;
    }
    await refresh();
  } catch {
    say("Not saved: the program of this page does not answer. What you typed is still here. Start the program, then try again.", true);
  }
  delete form.dataset.sending;
}

/** Shows the address that a form of kind GET asks for. */
function go(form) {
  history.replaceState(null, "", `${form.action}?${new URLSearchParams(new FormData(form))}`);
  refresh();
}

document.documentElement.classList.add("scripted");
document.addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.target.method === "post") send(event.target, event.submitter);
  else go(event.target);
});
document.addEventListener("input", (event) => {
  if (event.target.form?.dataset.live !== undefined) go(event.target.form);
});
document.addEventListener("change", (event) => {
  if (event.target.form?.dataset.auto !== undefined) event.target.form.requestSubmit();
});
// A tab that has slept may have missed what was told.
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refresh());

/** Listens for changes. A stream that breaks is opened again, by the browser or by this; each begins with a change. */
function listen() {
  const stream = new EventSource(document.body.dataset.events);
  stream.addEventListener("changed", refresh);
  stream.addEventListener("open", () => document.body.classList.contains("away") && say("The program is back."));
  stream.addEventListener("error", () => {
    document.body.classList.add("away");
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  });
}
listen();
