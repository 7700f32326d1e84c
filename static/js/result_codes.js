// Refresh of the result codes: shows the progress of reading them, announces the changes, and reloads
// the table after they are applied.
"use strict";
(() => {
  const { announce, byId } = window.callboard;
  let timer = 0;

  const updateProgress = (form) => {
    const progress = byId("code-progress");
    window.htmx.ajax("GET", form.dataset.progressUrl, { source: progress, target: progress, swap: "outerMorph" });
  };
  const isReading = (ctx) => ctx.sourceElement.id === "read-again";

  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (!isReading(ctx)) return;
    byId("code-refresh").replaceChildren();
    timer = window.setInterval(updateProgress, 500, ctx.sourceElement);
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (!isReading(ctx)) return;
    window.clearInterval(timer);
    window.htmx.trigger(byId("code-progress"), "htmx:abort");
    byId("code-progress").replaceChildren();
  });
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (ctx.target?.id !== "code-refresh") return;
    const refresh = byId("code-refresh");
    const outcome = refresh.querySelector("[data-outcome]");
    if (outcome) announce(outcome.textContent.trim());
    if (!["done", "same"].includes(refresh.dataset.state)) return;
    // The table with its present filter; even without changes its times are new.
    const results = byId("results");
    window.htmx.ajax("GET", window.location.pathname + window.location.search, { source: results, target: results, swap: "outerMorph" })
      .then(() => { if (outcome) announce(outcome.textContent.trim()); });
  });
})();
