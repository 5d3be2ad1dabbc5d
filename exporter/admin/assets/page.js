// Progressive enhancement: refreshes live values, shows times in the reader's time zone, filters
// codes during input, and copies rows.
"use strict";

const EVERY = 5000; // ms
const main = document.getElementById("main");
const gone = document.getElementById("gone");
document.documentElement.classList.add("scripted");

// ------------------------------------------------------------------ local times

function localize(tree) {
  for (const time of tree.querySelectorAll("time[datetime]")) {
    const clock = time.querySelector(".clock");
    const at = new Date(time.dateTime);
    if (!clock || isNaN(at)) continue;
    const day = at.toDateString() === new Date().toDateString() ? {} : { year: "numeric", month: "2-digit", day: "2-digit" };
    clock.textContent = at.toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short" });
  }
}

// ------------------------------------------------------------------ refresh of live values

// Elements are matched by id, or else by position, and changed in place: the focus, a selection, the
// scroll position and open details survive.
function update(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const known = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const same = (child.id && known.get(child.id)) || (alike(place, child) ? place : null);
    if (!same) {
      old.insertBefore(child, place);
      continue;
    }
    if (same === place) place = place.nextSibling;
    else old.insertBefore(same, place);
    update(same, child);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function alike(old, fresh) {
  return old && old.nodeName === fresh.nodeName && (old.id || "") === (fresh.id || "");
}

function parse(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

function show(html) {
  const fresh = parse(html);
  const focused = document.activeElement;
  document.title = fresh.title;
  const icon = document.querySelector("link[rel=icon]");
  const now = fresh.querySelector("link[rel=icon]").getAttribute("href");
  if (icon.getAttribute("href") !== now) icon.setAttribute("href", now);
  localize(fresh);
  update(main, fresh.getElementById("main"));
  // A moved row has lost the focus.
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

let due; // timer of the next refresh
let lastSeen = new Date();

// The whole URL, since a path that begins with `//` would be another host.
function here() {
  return location.href.replace(/#.*/, "");
}

async function refresh() {
  clearTimeout(due);
  try {
    const response = await fetch(here(), { signal: AbortSignal.timeout(EVERY) });
    if (!response.ok) throw new Error(response.status);
    show(await response.text());
    lastSeen = new Date();
    reachable(true);
  } catch {
    reachable(false);
  }
  clearTimeout(due);
  if (!document.hidden) due = setTimeout(refresh, EVERY);
}

function reachable(yes) {
  document.documentElement.classList.toggle("gone", !yes);
  if (yes) {
    gone.hidden = true;
  } else if (gone.hidden) {
    gone.hidden = false;
    gone.textContent = `Not reachable since ${lastSeen.toLocaleTimeString()}. What you see is from then.`;
    document.title = `Not reachable · ${document.title}`;
  }
}

localize(document);
if (main.dataset.refreshes !== undefined) {
  due = setTimeout(refresh, EVERY);
  document.addEventListener("visibilitychange", () => {
    clearTimeout(due);
    if (!document.hidden) refresh();
  });
}

document.addEventListener("click", async ({ target }) => {
  const source = target.dataset.copy && document.getElementById(target.dataset.copy);
  if (!source) return;
  try {
    await navigator.clipboard.writeText(source.textContent);
    target.textContent = "Copied";
  } catch { // not a secure origin: the text is selected for Ctrl-C
    getSelection().selectAllChildren(source);
    target.textContent = "Selected";
  }
});

// ------------------------------------------------------------------ filter of codes

const search = document.getElementById("search");

if (search) {
  const query = document.getElementById("q");
  const table = document.getElementById("codes");
  let rows = [];

  const read = () => {
    rows = [...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]);
  };

  // A page with a query has its matching rows only; another query needs another page.
  let completing = table.dataset.complete !== undefined && Promise.resolve();
  const complete = async () => {
    try {
      await (completing ||= load());
      gone.hidden = true;
      return true;
    } catch {
      completing = undefined;
      gone.hidden = false;
      gone.textContent = "The other codes could not be loaded: the exporter is not reachable.";
      return false;
    }
  };
  const load = async () => {
    const response = await fetch(table.dataset.all);
    if (!response.ok) throw new Error(response.status);
    table.tBodies[0].replaceWith(parse(await response.text()).getElementById("codes").tBodies[0]);
    read();
  };

  const filter = () => {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    document.getElementById("shown").textContent = shown;
    document.getElementById("no-codes").hidden = shown > 0;
    const url = new URL(here());
    url.search = query.value ? `?q=${encodeURIComponent(query.value)}` : "";
    history.replaceState(null, "", url.href + location.hash);
  };

  const jump = async () => {
    const id = decodeURIComponent(location.hash.slice(1));
    if (!id) return;
    if (!document.getElementById(id)) await complete();
    const row = document.getElementById(id);
    if (!row) return;
    if (row.hidden) {
      query.value = "";
      filter();
    }
    row.scrollIntoView();
  };

  read();
  query.addEventListener("input", async () => {
    if (await complete()) filter();
  });
  search.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await complete()) filter();
  });
  addEventListener("hashchange", jump);
  jump();
}
