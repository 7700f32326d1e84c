// The result codes: how far a refresh has come, in figures, and its outcome read aloud.
"use strict";
(() => {
  const { announce, byId } = window.callboard;
  let timer = 0;

  const ask = (form) => {
    const place = byId("code-progress");
    window.htmx.ajax("GET", form.dataset.progressUrl, { source: place, target: place, swap: "outerMorph" });
  };
  const isRefresh = (ctx) => ctx.sourceElement.id === "read-again";

  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (!isRefresh(ctx)) return;
    byId("code-refresh").replaceChildren();
    timer = window.setInterval(ask, 500, ctx.sourceElement);
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (!isRefresh(ctx)) return;
    window.clearInterval(timer);
    window.htmx.trigger(byId("code-progress"), "htmx:abort");
    byId("code-progress").replaceChildren();
    const outcome = byId("code-refresh").querySelector("[data-outcome]");
    if (outcome) announce(outcome.textContent.trim());
    if (byId("code-refresh").dataset.state !== "done") return;
    // The table again, as it is searched at the moment.
    const results = byId("results");
    window.htmx.ajax("GET", window.location.pathname + window.location.search, { source: results, target: results, swap: "outerMorph" })
      .then(() => { if (outcome) announce(outcome.textContent.trim()); });
  });
})();
