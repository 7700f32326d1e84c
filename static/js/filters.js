// The filter form and other requests for rows: no empty parameters in the address, no repeated
// queries, fields with the values of the server, rows that shimmer while new ones are loading.
"use strict";
(() => {
  const { byId, isQuiet } = window.callboard;
  const filters = () => byId("filters");
  const here = () => window.location.pathname + window.location.search;
  let pending = null; // the typed query in flight: its search part and its request
  let added = [];
  let composing = false;
  let compositionEnding = false;
  let shimmer = 0;

  // --- what is sent -------------------------------------------------------------------------------
  const withoutEmpty = (data) => {
    const kept = new FormData();
    for (const [name, value] of data) if (String(value).trim()) kept.append(name, value);
    return kept;
  };
  // A field of a local time cannot hold the UTC offset of the address; unless it is changed it keeps it.
  const keepOffsets = (form, data) => {
    const query = new URLSearchParams(window.location.search);
    for (const input of form.querySelectorAll("input[type=datetime-local]")) {
      const value = query.get(input.name);
      if (value && data.has(input.name) && input.value === input.defaultValue) data.set(input.name, value);
    }
  };
  const hasIncompleteDate = (form) =>
    [...form.querySelectorAll("input[type=datetime-local]")].some((input) => !input.validity.valid);

  // An unfinished composition (pinyin, kana) is no text yet and sends no query; its end counts as input.
  document.addEventListener("compositionstart", () => { composing = true; });
  document.addEventListener("compositionend", (event) => {
    composing = false;
    compositionEnding = true;
    event.target.dispatchEvent(new Event("input", { bubbles: true }));
    compositionEnding = false;
  });

  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    const form = ctx.sourceElement;
    if (!form.matches("form[method=get]")) return;
    const typing = ctx.sourceEvent?.type !== "submit";
    if (typing && (composing || hasIncompleteDate(form))) {
      event.preventDefault();
      return;
    }
    ctx.request.body = withoutEmpty(ctx.request.body);
    keepOffsets(form, ctx.request.body);
    const query = new URLSearchParams(ctx.request.body).toString();
    const address = query ? `${form.getAttribute("action")}?${query}` : form.getAttribute("action");
    const search = address.includes("?") ? address.slice(address.indexOf("?")) : "";
    // A blur after a pause, or Enter after a choice, would send the same query again.
    if (form.id === "filters" && typing && search === (pending?.search ?? window.location.search)) {
      window.clearTimeout(shimmer);
      event.preventDefault();
      return;
    }
    if (form.id === "filters") {
      pending = { ctx, search };
      added = [...new URLSearchParams(ctx.request.body).getAll("agent")];
      // The server then keeps the rows and shows a message at the field if nothing is found.
      if (typing) ctx.request.headers["X-Callboard-Typing"] = "1";
    }
  });

  // A plain submit without htmx must not put empty fields into the address either.
  document.addEventListener("formdata", (event) => {
    if (!event.target.matches("form[method=get]")) return;
    for (const name of new Set([...event.formData.keys()])) {
      const values = event.formData.getAll(name).filter((value) => String(value).trim());
      event.formData.delete(name);
      for (const value of values) event.formData.append(name, value);
    }
  });

  // --- an option of a datalist is sent at once ----------------------------------------------------
  document.addEventListener("input", (event) => {
    const input = event.target;
    if (compositionEnding || !input.list || !input.closest("#filters")) return;
    const chosen = !event.inputType || event.inputType === "insertReplacementText";
    if (chosen && input.value) input.dispatchEvent(new Event("change", { bubbles: true }));
  });
  // A click beside the chips focuses their field.
  document.addEventListener("click", (event) => {
    if (event.target.matches?.(".chip-box")) event.target.querySelector("input:not([type=hidden])").focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Backspace" || !event.target.matches?.("[data-adds]") || event.target.value) return;
    event.target.closest(".chip-box").querySelector(".chip:last-of-type a")?.click();
  });

  // --- rows while loading -----------------------------------------------------------------------------
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (ctx.target !== byId("results")) return;
    window.clearTimeout(shimmer);
    if (!isQuiet(ctx)) shimmer = window.setTimeout(() => ctx.target.setAttribute("aria-busy", "true"), 300);
    // The same address needs no second entry in the history.
    if (ctx.push === "true" && ctx.request.action === here()) ctx.push = null;
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (ctx.target !== byId("results")) return;
    if (ctx === pending?.ctx && ctx.status !== "swapped") pending = null;
    // Aborted by a later query, which ends the shimmer itself.
    if (ctx.request.signal.aborted) return;
    window.clearTimeout(shimmer);
    byId("results")?.setAttribute("aria-busy", "false");
  });

  // --- fields get the values of the server --------------------------------------------------------
  // A morph changes the attribute, which does not change the text of an edited field.
  const updateFields = () => {
    const form = filters();
    if (!form) return;
    for (const input of form.querySelectorAll("input:not([type=hidden])")) {
      if (input.matches("[data-adds]")) {
        const sent = !input.value.trim() || added.includes(input.value);
        if (sent || input !== document.activeElement) input.value = input.defaultValue;
      } else if (input !== document.activeElement && input.value !== input.defaultValue) {
        input.value = input.defaultValue;
      }
    }
    for (const select of form.querySelectorAll("select")) {
      if (select === document.activeElement) continue;
      select.selectedIndex = Math.max(0, [...select.options].findIndex((option) => option.defaultSelected));
    }
  };
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    const results = byId("results");
    if (!results || (ctx.target !== results && ctx.target?.id !== "page")) return;
    updateFields();
    if (ctx.hx?.pushurl === "false") return;
    pending = null;
    const goto = byId("goto");
    if (goto) goto.value = "";
    if (isQuiet(ctx)) return;
    results.querySelector(".scroller")?.scrollTo(0, 0);
    if (results.getBoundingClientRect().top < 0) results.scrollIntoView({ block: "start" });
  });
  document.addEventListener("htmx:before:history:restore", () => { pending = null; });

  // --- the fold of a narrow screen ----------------------------------------------------------------
  const narrow = window.matchMedia("(max-width: 640px)");
  const fold = () => {
    const details = document.querySelector("#filters .fold");
    if (details) details.open = !narrow.matches || Boolean(details.querySelector(".field-error"));
    // Until now the style sheet hid the fields, so that nothing moves when this runs.
    document.documentElement.dataset.folded = "";
  };
  fold();
  narrow.addEventListener("change", fold);
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (ctx.target?.id === "page") fold();
  });
})();
