// The side panel: one reservation beside the list, with an address of its own.
//
// The address is /vdn/88/reservations/<id>/?<query of the list>. Opening pushes it, closing goes back;
// neither loads the list again. Changing page or filter keeps the panel open, so the pushed address
// keeps its path.
"use strict";
(() => {
  const { byId } = window.callboard;
  const panel = () => byId("panel");
  const isOpen = () => Boolean(panel()) && !panel().hidden;
  const listPath = () => byId("filters").getAttribute("action");
  const path = () => window.location.pathname;
  const search = () => window.location.search;
  const small = window.matchMedia("(max-width: 1099px)");
  let shownSearch = search(); // the query of the rows on the screen
  let requestedPath = ""; // the panel path that was requested last
  let followsRows = false; // the panel follows the keyboard in the rows, which keep the focus
  let identifiersOpen = false; // once unfolded they stay so in each panel
  let openedHere = false; // the entry before this one in the history is the list itself

  const linkOf = (pathname) =>
    [...document.querySelectorAll("#results a[data-panel-link]")].find((link) => link.pathname === pathname);

  const mark = () => {
    const open = requestedPath || (isOpen() ? path() : "");
    for (const row of document.querySelectorAll("#results tr[data-appoint-id]")) {
      const link = row.querySelector("a[data-panel-link]");
      const current = Boolean(open) && link?.pathname === open;
      row.toggleAttribute("data-ui-open", current);
      if (current) link.setAttribute("aria-current", "true");
      else link?.removeAttribute("aria-current");
    }
    // Below this width the panel covers the list, which then must not take the focus.
    byId("main").inert = isOpen() && small.matches;
  };

  const load = (address, { push }) => {
    const url = new URL(address, window.location.href);
    const full = url.pathname + url.search;
    requestedPath = url.pathname;
    mark();
    const history = push === "push" ? { push: full } : push === "replace" ? { replace: full } : {};
    return window.htmx.ajax("GET", full, { source: panel(), target: panel(), swap: "outerSync", ...history });
  };

  const open = (link) => {
    const url = new URL(link.href);
    url.search = search();
    if (isOpen() && url.pathname === path() && !panel().contains(link)) {
      byId("panel-title").focus();
      return;
    }
    followsRows = false;
    // Another row replaces the open one, so that one step back is the list.
    load(url, { push: isOpen() ? "replace" : "push" });
  };

  // j and k: the panel follows, shortly after the last key.
  let following = 0;
  window.callboard.follow = (link) => {
    if (!isOpen()) return;
    window.clearTimeout(following);
    const url = new URL(link.href);
    url.search = search();
    requestedPath = url.pathname;
    mark();
    following = window.setTimeout(() => {
      if (!isOpen()) return;
      followsRows = true;
      load(url, { push: "replace" });
    }, 200);
  };

  const hide = () => {
    const from = requestedPath || path();
    requestedPath = "";
    const element = panel();
    element.hidden = true;
    element.replaceChildren();
    mark();
    // Going back in the history moves the focus unless it is set anew.
    document.activeElement?.blur();
    (linkOf(from) ?? byId("main")).focus({ preventScroll: true });
  };

  const close = () => {
    if (!isOpen()) return;
    if (openedHere) {
      window.history.back();
    } else {
      requestedPath = path();
      window.history.pushState({ htmx: true }, "", listPath() + search());
      hide();
    }
  };

  // --- clicks -------------------------------------------------------------------------------------
  const plain = (event) =>
    event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;

  document.addEventListener("click", (event) => {
    if (!plain(event) || event.defaultPrevented || !panel()) return;
    if (event.target.closest("[data-panel-close]")) {
      event.preventDefault();
      close();
      return;
    }
    const row = event.target.closest("#results tr[data-appoint-id]");
    const link = event.target.closest("a[data-panel-link]") ?? row?.querySelector("a[data-panel-link]");
    if (!link || (event.target.closest("a, button, input") ?? link) !== link) return;
    // Text that is selected with the mouse is to be copied.
    if (!event.target.closest("a") && String(window.getSelection())) return;
    event.preventDefault();
    open(link);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || !isOpen()) return;
    if (event.target.closest?.("dialog[open], #filters input")) return;
    event.preventDefault();
    close();
  });

  // --- requests -----------------------------------------------------------------------------------
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (ctx.target !== byId("results") || ctx.push !== "true" || !isOpen()) return;
    const newSearch = new URL(ctx.request.action, window.location.href).search;
    ctx.push = newSearch === search() ? null : path() + newSearch;
    if (ctx.push) openedHere = false;
  });
  document.addEventListener("htmx:after:history:update", ({ detail }) => {
    if (detail.sourceElement === panel() && detail.history.type === "push") openedHere = true;
  });
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (!panel()) return;
    if (ctx.target === panel()) {
      panel().hidden = false;
      mark();
      const identifiers = byId("identifiers");
      if (identifiers) identifiers.open = identifiersOpen;
      const rowsHaveFocus = followsRows && document.activeElement?.closest("#results tr");
      followsRows = false;
      if (!rowsHaveFocus) byId("panel-title")?.focus({ preventScroll: true });
    } else if (ctx.target?.id === "results" || ctx.target?.id === "page") {
      shownSearch = search();
      requestedPath = isOpen() ? path() : "";
      if (ctx.target.id === "page") openedHere = false;
      mark();
    }
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (ctx.sourceElement !== panel() || ctx.status === "swapped" || ctx.request.signal.aborted) return;
    requestedPath = isOpen() ? path() : "";
    mark();
  });

  // Back and Forward between the list and a panel of the same query need no new list.
  document.addEventListener("htmx:before:history:restore", (event) => {
    const url = new URL(event.detail.path, window.location.href);
    if (!panel() || url.search !== shownSearch || !url.pathname.startsWith(listPath())) {
      openedHere = false;
      return;
    }
    event.preventDefault();
    openedHere = false;
    if (url.pathname === listPath()) hide();
    else load(url, {});
  });

  document.addEventListener("toggle", (event) => {
    if (event.target.id === "identifiers" && !window.matchMedia("print").matches) identifiersOpen = event.target.open;
  }, true);

  // Unfold everything for printing.
  window.addEventListener("beforeprint", () => byId("identifiers")?.setAttribute("open", ""));
  window.addEventListener("afterprint", () => byId("identifiers")?.toggleAttribute("open", identifiersOpen));

  small.addEventListener("change", mark);
  requestedPath = isOpen() ? path() : "";
  mark();
})();
