// The result codes: how far a reading has come, in figures; what it would change or changed, read
// aloud; and the table anew once something was applied.
"use strict";
(() => {
  const { announce, byId } = window.callboard;
  let timer = 0;

  const ask = (form) => {
    const place = byId("code-progress");
    window.htmx.ajax("GET", form.dataset.progressUrl, { source: place, target: place, swap: "outerMorph" });
  };
  const isReading = (ctx) => ctx.sourceElement.id === "read-again";

  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (!isReading(ctx)) return;
    byId("code-refresh").replaceChildren();
    timer = window.setInterval(ask, 500, ctx.sourceElement);
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (!isReading(ctx)) return;
    window.clearInterval(timer);
    window.htmx.trigger(byId("code-progress"), "htmx:abort");
    byId("code-progress").replaceChildren();
  });
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (ctx.target?.id !== "code-refresh") return;
    const place = byId("code-refresh");
    const outcome = place.querySelector("[data-outcome]");
    if (outcome) announce(outcome.textContent.trim());
    if (!["done", "same"].includes(place.dataset.state)) return;
    // The table again, as it is filtered at the moment: even the same one was listed just now.
    const results = byId("results");
    window.htmx.ajax("GET", window.location.pathname + window.location.search, { source: results, target: results, swap: "outerMorph" })
      .then(() => { if (outcome) announce(outcome.textContent.trim()); });
  });
})();
