// Keyboard shortcuts and live updates for pages that work without them. Nothing here decides.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const queue = () => byId("queue");
  const shortcuts = document.querySelector("[data-keys]");
  const shortcutsOn = document.querySelector("[data-keys-on]");
  const storageKey = "multimail-keys";

  const click = (id) => { const link = byId(id); if (link) link.click(); };
  const focusOn = (id) => {
    const element = byId(id);
    if (!element) return;
    const folded = element.closest("details");
    if (folded) folded.open = true;
    element.focus();
  };
  const moveInList = (by) => {
    const rows = [...document.querySelectorAll("a.row")];
    if (!rows.length) return;
    const line = document.activeElement.closest(".row-line");
    const index = rows.indexOf(line && line.querySelector("a.row"));
    rows[Math.min(rows.length - 1, Math.max(0, index < 0 ? 0 : index + by))].focus();
  };

  // Letters only move the focus or open a page: a decision also needs Enter or a click.
  const actions = {
    a: () => focusOn("approve"),
    r: () => focusOn("reason"),
    e: () => click("edit"),
    u: () => click("back"),
    j: () => moveInList(1),
    k: () => moveInList(-1),
    "?": () => { if (shortcuts) { shortcuts.open = !shortcuts.open; shortcuts.scrollIntoView(); } },
  };

  if (shortcuts && shortcutsOn) {
    shortcuts.hidden = false;
    shortcutsOn.checked = localStorage.getItem(storageKey) !== "off";
    shortcutsOn.addEventListener("change", () => {
      localStorage.setItem(storageKey, shortcutsOn.checked ? "on" : "off");
    });
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
    if (event.key === "Escape" && typing) { typing.blur(); return; }
    // A browser would send the form of a box.
    if (event.key === "Enter" && event.target.matches("input[type=checkbox]")) event.preventDefault();
    const on = !shortcutsOn || shortcutsOn.checked;
    const action = actions[event.key];
    if (typing || !on || !action) return;
    event.preventDefault();
    action();
  });

  // Times in the browser's zone; without this script they are in UTC.
  const showLocalTimes = (root) => {
    const options = {
      day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
    };
    for (const time of root.querySelectorAll("time[data-local]")) {
      const date = new Date(time.dateTime);
      time.title = time.textContent;
      time.textContent = date.toLocaleString(undefined, options);
    }
  };
  showLocalTimes(document);

  // After its time there is nothing left to undo.
  const undo = document.querySelector("form[data-undo]");
  if (undo) setTimeout(() => undo.remove(), 1000 * Number(undo.dataset.undo));

  // A second click on a decision would only get an error.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.forms) delete form.dataset.sent;
  });

  const refreshQueue = async () => {
    const response = await fetch(location.href, { headers: { Accept: "text/html", "X-Multimail-Refresh": "1" } });
    const newDocument = new DOMParser().parseFromString(await response.text(), "text/html");
    const newQueue = newDocument.getElementById("queue");
    if (!newQueue) { location.reload(); return; }
    const oldQueue = queue();
    if (oldQueue.querySelector("input[name=pick]:checked")) return;
    showLocalTimes(newDocument);
    document.title = newDocument.title;
    const focused = document.activeElement && document.activeElement.id;
    // What the person fills in stays, and so does an unchanged count: a screen reader says a new one.
    const oldFilters = oldQueue.querySelector(".filters"), newFilters = newQueue.querySelector(".filters");
    if (newFilters && !oldFilters) oldQueue.querySelector("[data-list]").before(newFilters);
    for (const part of [".count", "[data-list]"]) {
      const before = oldQueue.querySelector(part), now = newQueue.querySelector(part);
      if (before.innerHTML !== now.innerHTML) before.replaceChildren(...now.childNodes);
    }
    if (focused && byId(focused)) byId(focused).focus();
  };

  const refreshItem = async (item) => {
    const response = await fetch(item.dataset.state, { headers: { Accept: "application/json" } });
    if (!response.ok) return;
    const state = await response.json();
    const same = state.mark === item.dataset.mark && state.status === item.dataset.status;
    item.querySelector("[data-changed]").hidden = same;
  };

  const item = document.querySelector("[data-state]");
  const refresh = queue() ? refreshQueue : item ? () => refreshItem(item) : null;
  if (refresh) {
    const poll = async () => {
      if (!document.hidden) { try { await refresh(); } catch { /* The server is down: try again. */ } }
      setTimeout(poll, 3000);
    };
    setTimeout(poll, 3000);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh().catch(() => {}); });
  }
})();
