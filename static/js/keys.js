// Keyboard shortcuts of lists; not in fields and dialogs, and not with modifier keys.
"use strict";
(() => {
  const { byId } = window.callboard;
  const links = () => [...document.querySelectorAll("#results a[data-panel-link]")];

  const isField = (target) =>
    target.closest?.("input, textarea, select, [contenteditable], dialog[open], details.menu[open]");

  const move = (step) => {
    const all = links();
    if (!all.length) return;
    const row = document.activeElement.closest?.("#results tr[data-appoint-id]");
    const from = row ?? document.querySelector("#results tr[data-ui-open]");
    const at = from ? all.findIndex((link) => from.contains(link)) : -1;
    const to = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
    all[to].focus({ preventScroll: true });
    all[to].closest("tr").scrollIntoView({ block: "nearest" });
    window.callboard.follow?.(all[to]);
  };
  const press = (selector) => document.querySelector(selector)?.click();

  const actions = {
    "/": () => {
      const field = document.querySelector("[data-search]");
      const fold = field?.closest("details");
      if (fold) fold.open = true;
      field?.focus();
      field?.select();
    },
    "j": () => move(1),
    "k": () => move(-1),
    "ArrowDown": () => move(1),
    "ArrowUp": () => move(-1),
    "r": () => press("#refresh"),
    "[": () => press("#results a[rel=prev]"),
    "]": () => press("#results a[rel=next]"),
    "?": () => byId("keys")?.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const action = actions[event.key];
    if (!action || isField(event.target)) return;
    // With the focus elsewhere arrows scroll the panel or the page.
    const inRows = links().length && (event.target === document.body || event.target.closest("#results"));
    if (event.key.startsWith("Arrow") && !inRows) return;
    event.preventDefault();
    action();
  });
})();
