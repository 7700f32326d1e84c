// Shared by all pages: progress line, announcements, toasts, menus, dialogs, copy buttons, and
// answers to htmx that are no fragments (log-in page, error page, no network).
"use strict";
window.callboard = (() => {
  const say = document.body.dataset;
  const byId = (id) => document.getElementById(id);

  const announce = (text) => {
    const region = byId("announce");
    // Cleared first, so that a screen reader reads the same sentence again.
    region.textContent = "";
    window.setTimeout(() => { region.textContent = text || ""; }, 50);
  };

  const clearFailures = () => {
    for (const old of document.querySelectorAll("#toasts .toast-failure")) old.remove();
  };

  // A toast disappears after 3.5 s; one about a failure stays until it is closed.
  const toast = (text, { stays = false } = {}) => {
    const box = document.createElement("div");
    box.className = stays ? "toast-line toast-failure" : "toast-line";
    box.setAttribute("role", stays ? "alert" : "status");
    const label = document.createElement("span");
    label.textContent = text;
    box.append(label);
    if (stays) {
      const close = document.createElement("button");
      close.type = "button";
      close.className = "toast-close";
      close.setAttribute("aria-label", say.sayClose);
      close.addEventListener("click", () => box.remove());
      box.append(close);
      clearFailures();
    } else {
      window.setTimeout(() => box.remove(), 3500);
    }
    byId("toasts").append(box);
  };

  // A swap may remove the source of its request, and htmx then reports the target as the source. So the
  // kind of source is stored before the request.
  const quiet = new WeakSet();
  const own = new WeakSet();
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    const source = ctx.sourceElement;
    if (source.matches?.("[data-refresh]")) quiet.add(ctx);
    if (source === ctx.target) own.add(ctx);
  });
  const isQuiet = (ctx) => quiet.has(ctx);
  const isOwn = (ctx) => own.has(ctx); // an element that updates itself: a poll, the panel

  return { announce, toast, clearFailures, byId, isQuiet, isOwn };
})();

(() => {
  const { announce, toast, clearFailures, byId, isOwn, isQuiet } = window.callboard;
  const say = document.body.dataset;

  // --- the progress line, for requests of more than 150 ms ------------------------------------
  const running = new Set();
  let timer = 0;
  const isPoll = (ctx) =>
    Boolean(ctx.sourceElement.closest?.("#code-progress") || ctx.sourceElement.matches?.("[data-poll-url]"));
  const showProgress = () => byId("progress").classList.toggle("is-on", running.size > 0);

  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (isPoll(ctx)) return;
    if (!running.size) timer = window.setTimeout(showProgress, 150);
    running.add(ctx);
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (!running.delete(ctx) || running.size) return;
    window.clearTimeout(timer);
    showProgress();
  });

  // --- a refresh without changes ------------------------------------------------------------------
  // The server answers 304 for the ETag of the shown rows; then only the time of the answer is updated.
  let shown = { action: "", etag: "" };
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (isQuiet(ctx) && shown.etag && ctx.request.action === shown.action) {
      ctx.request.headers["If-None-Match"] = shown.etag;
    }
  });
  document.addEventListener("htmx:before:response", (event) => {
    const { headers, status } = event.detail.ctx.response;
    if (status !== 304) return;
    event.preventDefault();
    clearFailures();
    const results = byId("results");
    for (const element of [results, byId("as-of")]) {
      if (element && headers.has("X-As-Of")) element.dataset.asOf = headers.get("X-As-Of");
    }
    const text = document.querySelector("#as-of [data-as-of-text]");
    if (text) text.textContent = decodeURIComponent(headers.get("X-As-Of-Text") ?? "");
    results?.setAttribute("aria-busy", "false");
    announce(results?.dataset.announce);
    document.dispatchEvent(new Event("callboard:unchanged"));
  });
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (ctx.target?.id !== "results") return;
    shown = { action: ctx.request.action, etag: ctx.response?.headers.get("ETag") ?? "" };
  });

  // --- answers that are no fragment -------------------------------------------------------------
  // A redirect to the log-in page: load that as a whole page, with the way back to this one.
  document.addEventListener("htmx:before:response", (event) => {
    const raw = event.detail.ctx.response.raw;
    if (!raw.redirected || new URL(raw.url).pathname !== say.loginUrl) return;
    event.preventDefault();
    const query = new URLSearchParams({ next: window.location.pathname + window.location.search });
    const why = new URL(raw.url).searchParams.get("why");
    if (why) query.set("why", why);
    window.location.assign(`${say.loginUrl}?${query}`);
  });
  // A whole page (the 500 page, a proxy's page) must not be swapped into the list. "Not found", "not
  // allowed" and "log in" are loaded as pages: the user may no longer be allowed to see the rows.
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx } = event.detail;
    const status = ctx.response?.raw?.status ?? 0;
    const isPage = /^\s*(<!doctype|<html)/i.test(ctx.text ?? "");
    if (isPage && !ctx.select && status >= 400 && status < 500) {
      event.preventDefault();
      if (ctx.request.method === "GET") window.location.assign(ctx.request.action);
      else window.location.reload();
      return;
    }
    const wantsPage = ctx.target === document.body || Boolean(ctx.select);
    if (isPage === wantsPage && ctx.text?.trim()) {
      clearFailures();
    } else if (ctx.response) {
      event.preventDefault();
      ctx.target?.removeAttribute?.("aria-busy");
      toast(status === 503 ? say.sayBusy : say.sayFailed, { stays: true });
    }
  });
  document.addEventListener("htmx:error", ({ detail }) => {
    if (!detail.ctx || detail.ctx.response) return;
    byId("results")?.setAttribute("aria-busy", "false");
    toast(say.sayOffline, { stays: true });
  });

  // --- menus (details) and dialogs --------------------------------------------------------------
  const openMenus = () => document.querySelectorAll("details.menu[open]");
  document.addEventListener("click", (event) => {
    for (const menu of openMenus()) {
      if (menu.contains(event.target) && !event.target.closest("a.menu-item")) continue;
      if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
      menu.open = false;
    }
    const opener = event.target.closest("[data-dialog]");
    if (opener) byId(opener.dataset.dialog).showModal();
    if (event.target.matches("dialog")) event.target.close(); // a click on the backdrop
  });
  // A menu must not cover the element that gets the focus by the keyboard.
  document.addEventListener("focusin", (event) => {
    for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of openMenus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
      event.stopImmediatePropagation();
    }
  }, true);

  // --- copy -------------------------------------------------------------------------------------
  const copyText = async (text) => {
    if (navigator.clipboard && window.isSecureContext) {
      await navigator.clipboard.writeText(text);
      return true;
    }
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const done = await copyText(button.dataset.copy).catch(() => false);
    button.focus();
    if (done) toast(button.dataset.done);
    else toast(button.dataset.undone, { stays: true });
  });

  // --- forms ------------------------------------------------------------------------------------
  document.addEventListener("submit", (event) => {
    const form = event.target;
    // The address may have changed since the page was loaded.
    const next = form.elements.namedItem("next");
    if (next && form.closest(".topbar")) next.value = window.location.pathname + window.location.search;
    if (form.method === "post" && !form.hasAttribute("data-hx-post")) {
      const button = event.submitter;
      // After the event: the value of a disabled button would not be sent.
      window.setTimeout(() => { if (button) button.disabled = true; }, 0);
      const waiting = form.querySelector("[data-under-way]");
      if (waiting) {
        waiting.hidden = false;
        announce(waiting.textContent.trim());
      }
    }
  });
  // A secret that is shown once must not come back from the browser's cache of whole pages.
  window.addEventListener("pagehide", () => {
    for (const secret of document.querySelectorAll("[data-token-text]")) secret.closest(".field").remove();
  });
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const button of document.querySelectorAll("form[method=post] button:disabled")) button.disabled = false;
    for (const waiting of document.querySelectorAll("[data-under-way]")) waiting.hidden = true;
  });

  // The browser knows all time zones and its own; the list is filled at the first focus.
  document.addEventListener("focusin", (event) => {
    const input = event.target.closest?.("[data-zone-input]");
    if (!input || input.list.options.length || !Intl.supportedValuesOf) return;
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const names = new Set([own, ...Intl.supportedValuesOf("timeZone")]);
    input.list.append(...[...names].map((name) => new Option(name, name)));
  });

  // Messages of success become toasts.
  for (const note of document.querySelectorAll("[data-messages] .note-success")) {
    toast(note.textContent.trim());
    const list = note.parentElement;
    note.remove();
    if (!list.children.length) list.remove();
  }

  // --- tooltips of cells whose text is cut off -----------------------------------------------------
  const isCut = (cell) => [cell, ...cell.children].some((part) => part.scrollWidth > part.clientWidth + 1);
  const updateTooltips = () => {
    const cells = [...document.querySelectorAll("table.rows :is(td, th)")];
    // All cells are measured before the first is changed, so that the browser computes one layout.
    const cut = cells.map(isCut);
    cells.forEach((cell, index) => {
      if (cut[index]) cell.title = cell.innerText;
      else if ("uiTitle" in cell.dataset) cell.removeAttribute("title");
      cell.toggleAttribute("data-ui-title", cut[index]);
    });
  };
  new ResizeObserver(updateTooltips).observe(byId("main"));
  // A font may change the width of texts after it is loaded.
  document.fonts.ready.then(updateTooltips);
  document.addEventListener("htmx:after:swap", updateTooltips);

  // --- announcements after a swap of the results ------------------------------------------------
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    const results = byId("results");
    if (isOwn(ctx)) return;
    const error = ctx.hx?.pushurl === "false" && byId("filters")?.querySelector(".field-error");
    if (error) announce(error.textContent);
    else if (results && (ctx.target === results || ctx.target?.id === "page")) announce(results.dataset.announce);
  });
})();
