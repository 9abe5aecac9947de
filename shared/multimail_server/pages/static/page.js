// On top of pages that work without it: keys, and fresh news. Nothing here decides by itself.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const queue = () => byId("queue");
  const keysBox = document.querySelector("[data-keys]");
  const keysOn = document.querySelector("[data-keys-on]");
  const remembered = "multimail-keys";

  const follow = (id) => { const link = byId(id); if (link) link.click(); };
  const focusOn = (id) => {
    const found = byId(id);
    if (found) { found.scrollIntoView({ block: "center" }); found.focus(); }
  };
  const step = (by) => {
    const rows = [...document.querySelectorAll("a.row")];
    if (!rows.length) return;
    const at = rows.indexOf(document.activeElement);
    rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + by))].focus();
  };

  // Letters only move the focus or open a page: a decision always takes Enter or a click as well.
  const actions = {
    a: () => focusOn("approve"),
    r: () => focusOn("reason"),
    e: () => follow("edit"),
    u: () => follow("back"),
    j: () => step(1),
    k: () => step(-1),
    "?": () => { if (keysBox) { keysBox.open = !keysBox.open; keysBox.scrollIntoView(); } },
  };

  if (keysBox && keysOn) {
    keysBox.hidden = false;
    keysOn.checked = localStorage.getItem(remembered) !== "off";
    keysOn.addEventListener("change", () => {
      localStorage.setItem(remembered, keysOn.checked ? "on" : "off");
    });
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target.closest("input, textarea, select");
    if (event.key === "Escape" && typing) { typing.blur(); return; }
    const on = !keysOn || keysOn.checked;
    const action = actions[event.key];
    if (typing || !on || !action) return;
    event.preventDefault();
    action();
  });

  // A second click on a decision would only be told that it has been made.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.forms) delete form.dataset.sent;
  });

  const refreshQueue = async () => {
    const reply = await fetch(location.href, { headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
    const found = fresh.getElementById("queue");
    if (!found) { location.reload(); return; }
    const old = queue();
    document.title = fresh.title;
    if (old.innerHTML === found.innerHTML) return;
    const focused = document.activeElement && document.activeElement.id;
    const said = old.querySelector(".count"), says = found.querySelector(".count");
    if (said && says && said.textContent === says.textContent) says.replaceWith(said);
    old.replaceChildren(...found.childNodes);
    if (focused && byId(focused)) byId(focused).focus();
  };

  const refreshItem = async (item) => {
    const reply = await fetch(item.dataset.state, { headers: { Accept: "application/json" } });
    if (!reply.ok) return;
    const now = await reply.json();
    const same = now.mark === item.dataset.mark && now.status === item.dataset.status;
    item.querySelector("[data-changed]").hidden = same;
  };

  const item = document.querySelector("[data-state]");
  const refresh = queue() ? refreshQueue : item ? () => refreshItem(item) : null;
  if (refresh) {
    const again = async () => {
      if (!document.hidden) { try { await refresh(); } catch { /* The server is away: ask again. */ } }
      setTimeout(again, 3000);
    };
    setTimeout(again, 3000);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh().catch(() => {}); });
  }
})();
