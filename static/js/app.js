// What every page shares: progress line, announcements, toasts, menus, dialogs, copy buttons, and
// what happens when a request brings no fragment (log-in page, broken page, no network).
"use strict";
window.callboard = (() => {
  const say = document.body.dataset;
  const byId = (id) => document.getElementById(id);

  const announce = (text) => {
    const region = byId("announce");
    // Emptied first, so that the same sentence is read aloud again.
    region.textContent = "";
    window.setTimeout(() => { region.textContent = text || ""; }, 50);
  };

  // A short toast goes by itself; one that tells of a failure stays until it is closed.
  const toast = (text, { stays = false } = {}) => {
    const box = document.createElement("div");
    box.className = stays ? "toast-line toast-failure" : "toast-line";
    box.setAttribute("role", stays ? "alert" : "status");
    const words = document.createElement("span");
    words.textContent = text;
    box.append(words);
    if (stays) {
      const close = document.createElement("button");
      close.type = "button";
      close.className = "toast-close";
      close.setAttribute("aria-label", say.sayClose);
      close.addEventListener("click", () => box.remove());
      box.append(close);
      for (const old of document.querySelectorAll("#toasts .toast-failure")) old.remove();
    } else {
      window.setTimeout(() => box.remove(), 3500);
    }
    byId("toasts").append(box);
  };

  const clearFailures = () => {
    for (const old of document.querySelectorAll("#toasts .toast-failure")) old.remove();
  };

  // A swap may take the element away that asked for it, and htmx then names the target in its place:
  // what the source was is noted before.
  const quiet = new WeakSet();
  const own = new WeakSet();
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    const source = ctx.sourceElement;
    if (source.matches?.("[data-refresh]")) quiet.add(ctx);
    if (source === ctx.target) own.add(ctx);
  });
  const isQuiet = (ctx) => quiet.has(ctx);
  const isOwn = (ctx) => own.has(ctx); // an element that asks for itself: a poll, the panel

  return { announce, toast, clearFailures, byId, isQuiet, isOwn };
})();

(() => {
  const { announce, toast, clearFailures, byId, isOwn, isQuiet } = window.callboard;
  const say = document.body.dataset;

  // --- the progress line: only for what takes longer than 150 ms ------------------------------
  const running = new Set();
  let timer = 0;
  // What looks after itself is asked for by its own element.
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

  // --- a refresh that brings nothing new ---------------------------------------------------------
  // The server answers 304 for the ETag of the shown rows; only the time of the answer moves then.
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
  // Redirected to the log-in page: go there as a whole page, and come back here afterwards.
  document.addEventListener("htmx:before:response", (event) => {
    const raw = event.detail.ctx.response.raw;
    if (!raw.redirected || new URL(raw.url).pathname !== say.loginUrl) return;
    event.preventDefault();
    const asked = new URLSearchParams({ next: window.location.pathname + window.location.search });
    const why = new URL(raw.url).searchParams.get("why");
    if (why) asked.set("why", why);
    window.location.assign(`${say.loginUrl}?${asked}`);
  });
  // A whole page (the 500 page, a proxy's page) must not be poured into the list.
  // One that says "not found", "not allowed" or "log in" is shown as what it is: rows that somebody
  // may no longer see must not stay on the screen.
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx } = event.detail;
    const status = ctx.response?.raw?.status ?? 0;
    if (/^\s*(<!doctype|<html)/i.test(ctx.text ?? "") && !ctx.select && status >= 400 && status < 500) {
      event.preventDefault();
      if (ctx.request.method === "GET") window.location.assign(ctx.request.action);
      else window.location.reload();
      return;
    }
    const wholePage = /^\s*(<!doctype|<html)/i.test(ctx.text ?? "");
    const wanted = ctx.target === document.body || Boolean(ctx.select);
    if (wholePage === wanted && ctx.text?.trim()) {
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
  // Who goes on with the keyboard must see the field that has the focus, not a menu over it.
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
    // The address may have changed since the page was made.
    const next = form.elements.namedItem("next");
    if (next && form.closest(".topbar")) next.value = window.location.pathname + window.location.search;
    if (form.method === "post" && !form.hasAttribute("data-hx-post")) {
      const button = event.submitter;
      // Not at once: a disabled button's own value would not be sent.
      window.setTimeout(() => { if (button) button.disabled = true; }, 0);
      const waiting = form.querySelector("[data-under-way]");
      if (waiting) {
        waiting.hidden = false;
        announce(waiting.textContent.trim());
      }
    }
  });
  // What is shown once must not come back with a page that the browser kept whole.
  window.addEventListener("pagehide", () => {
    for (const secret of document.querySelectorAll("[data-token-text]")) secret.closest(".field").remove();
  });
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const button of document.querySelectorAll("form[method=post] button:disabled")) button.disabled = false;
    for (const waiting of document.querySelectorAll("[data-under-way]")) waiting.hidden = true;
  });

  // The browser knows all time zones and its own; the list is made when it is first wanted.
  document.addEventListener("focusin", (event) => {
    const input = event.target.closest?.("[data-zone-input]");
    if (!input || input.list.options.length || !Intl.supportedValuesOf) return;
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const names = new Set([own, ...Intl.supportedValuesOf("timeZone")]);
    input.list.append(...[...names].map((name) => new Option(name, name)));
  });

  // What went well needs no place of its own.
  for (const note of document.querySelectorAll("[data-messages] .note-success")) {
    toast(note.textContent.trim());
    const list = note.parentElement;
    note.remove();
    if (!list.children.length) list.remove();
  }

  // --- the whole text of what an ellipsis cuts: not sent with every cell, most are not cut ---------
  const cutIn = (cell) => [cell, ...cell.children].some((part) => part.scrollWidth > part.clientWidth + 1);
  const tellCut = () => {
    const cells = [...document.querySelectorAll("table.rows :is(td, th)")];
    // All are measured before the first is changed: one layout, not one for each.
    const cut = cells.map(cutIn);
    cells.forEach((cell, place) => {
      if (cut[place]) cell.title = cell.innerText;
      else if ("uiTitle" in cell.dataset) cell.removeAttribute("title");
      cell.toggleAttribute("data-ui-title", cut[place]);
    });
  };
  new ResizeObserver(tellCut).observe(byId("main"));
  // A font that comes late makes texts wider in a page of the same size.
  document.fonts.ready.then(tellCut);
  document.addEventListener("htmx:after:swap", tellCut);

  // --- after each swap of the results -----------------------------------------------------------
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    const results = byId("results");
    if (isOwn(ctx)) return;
    const kept = ctx.hx?.pushurl === "false" && byId("filters")?.querySelector(".field-error");
    if (kept) announce(kept.textContent);
    else if (results && (ctx.target === results || ctx.target?.id === "page")) announce(results.dataset.announce);
  });
})();
