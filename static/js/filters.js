// The filter form and everything else that asks for other rows: no empty parameter in the address,
// no question asked twice, fields that follow the server, rows that shimmer while they are old news.
"use strict";
(() => {
  const { byId, isQuiet } = window.callboard;
  const filters = () => byId("filters");
  const here = () => window.location.pathname + window.location.search;
  let asked = null; // the typed question that is under way: its search part, and its request
  let added = [];
  let composing = false;
  let ending = false;
  let shimmer = 0;

  // --- what is sent -------------------------------------------------------------------------------
  const withoutEmpties = (data) => {
    const kept = new FormData();
    for (const [name, value] of data) if (String(value).trim()) kept.append(name, value);
    return kept;
  };
  const dateIsHalfTyped = (form) =>
    [...form.querySelectorAll("input[type=datetime-local]")].some((input) => !input.validity.valid);

  // Half a composition (pinyin, kana) is no text yet: what is asked then asks for letters that
  // nobody means. Its end asks, like any other input.
  document.addEventListener("compositionstart", () => { composing = true; });
  document.addEventListener("compositionend", (event) => {
    composing = false;
    ending = true;
    event.target.dispatchEvent(new Event("input", { bubbles: true }));
    ending = false;
  });

  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    const form = ctx.sourceElement;
    if (!form.matches("form[method=get]")) return;
    const typing = ctx.sourceEvent?.type !== "submit";
    if (typing && (composing || dateIsHalfTyped(form))) {
      event.preventDefault();
      return;
    }
    ctx.request.body = withoutEmpties(ctx.request.body);
    const query = new URLSearchParams(ctx.request.body).toString();
    const question = query ? `${form.getAttribute("action")}?${query}` : form.getAttribute("action");
    const search = question.includes("?") ? question.slice(question.indexOf("?")) : "";
    // A blur after a pause, or Enter after a choice, asks the same thing again: once is enough.
    if (form.id === "filters" && typing && search === (asked?.search ?? window.location.search)) {
      window.clearTimeout(shimmer);
      event.preventDefault();
      return;
    }
    if (form.id === "filters") {
      asked = { ctx, search };
      added = [...new URLSearchParams(ctx.request.body).getAll("agent")];
      // Whether rows that find nothing may stay, with the message at the field.
      if (typing) ctx.request.headers["X-Callboard-Typing"] = "1";
    }
  });

  // Without htmx's help (a plain submit) empty fields would litter the address too.
  document.addEventListener("formdata", (event) => {
    if (!event.target.matches("form[method=get]")) return;
    for (const name of new Set([...event.formData.keys()])) {
      const values = event.formData.getAll(name).filter((value) => String(value).trim());
      event.formData.delete(name);
      for (const value of values) event.formData.append(name, value);
    }
  });

  // --- choosing from a datalist acts at once ------------------------------------------------------
  document.addEventListener("input", (event) => {
    const input = event.target;
    if (ending || !input.list || !input.closest("#filters")) return;
    const chosen = !event.inputType || event.inputType === "insertReplacementText";
    if (chosen && input.value) input.dispatchEvent(new Event("change", { bubbles: true }));
  });
  // A click beside the chips is a click into their field.
  document.addEventListener("click", (event) => {
    if (event.target.matches?.(".chip-box")) event.target.querySelector("input:not([type=hidden])").focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Backspace" || !event.target.matches?.("[data-adds]") || event.target.value) return;
    event.target.closest(".chip-box").querySelector(".chip:last-of-type a")?.click();
  });

  // --- rows that wait -----------------------------------------------------------------------------
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (ctx.target !== byId("results")) return;
    window.clearTimeout(shimmer);
    if (!isQuiet(ctx)) shimmer = window.setTimeout(() => ctx.target.setAttribute("aria-busy", "true"), 300);
    // The same address again needs no second entry in the history.
    if (ctx.push === "true" && ctx.request.action === here()) ctx.push = null;
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (ctx.target !== byId("results")) return;
    if (ctx === asked?.ctx && ctx.status !== "swapped") asked = null;
    // Aborted by a later question: that one decides when the waiting ends.
    if (ctx.request.signal.aborted) return;
    window.clearTimeout(shimmer);
    byId("results")?.setAttribute("aria-busy", "false");
  });

  // --- fields follow the server -------------------------------------------------------------------
  // A morph changes the attribute; a field that was typed into keeps showing what was typed.
  const follow = () => {
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
  };
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    const results = byId("results");
    if (!results || (ctx.target !== results && ctx.target?.id !== "page")) return;
    follow();
    if (ctx.hx?.pushurl === "false") return;
    asked = null;
    const goto = byId("goto");
    if (goto) goto.value = "";
    if (isQuiet(ctx)) return;
    results.querySelector(".scroller")?.scrollTo(0, 0);
    if (results.getBoundingClientRect().top < 0) results.scrollIntoView({ block: "start" });
  });
  document.addEventListener("htmx:before:history:restore", () => { asked = null; });

  // --- the fold of a narrow screen ----------------------------------------------------------------
  const narrow = window.matchMedia("(max-width: 640px)");
  const fold = () => {
    const details = document.querySelector("#filters .fold");
    if (details) details.open = !narrow.matches || Boolean(details.querySelector(".field-error"));
  };
  fold();
  narrow.addEventListener("change", fold);
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (ctx.target?.id === "page") fold();
  });
})();
