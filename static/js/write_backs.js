// Updates the write-backs on the screen while some of them wait. No row is added, moved or removed,
// and nothing is updated while a confirmation is open.
"use strict";
(() => {
  const { byId } = window.callboard;
  const INTERVAL = 3_000;
  const LONGEST_INTERVAL = 60_000;
  let interval = INTERVAL;
  let requestedAt = Date.now();
  let busy = false;

  const findTarget = () => byId("results") ?? byId("write-back");
  const isPoll = (ctx) => ctx.sourceElement === findTarget() && ctx.target === findTarget();

  const poll = () => {
    const element = findTarget();
    if (!element?.dataset.pollUrl || document.hidden || busy || Date.now() - requestedAt < interval) return;
    if (document.querySelector(".confirmation[open], .reveal-form[open], [data-hide-after]")) return;
    requestedAt = Date.now();
    window.htmx.ajax("GET", element.dataset.pollUrl, { source: element, target: element, swap: "outerMorph" });
  };

  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (!isPoll(ctx)) return;
    busy = true;
    // Polling must not keep a session alive.
    ctx.request.headers["X-Poll"] = "1";
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (ctx.sourceElement !== ctx.target || !ctx.sourceElement.matches?.("[data-write-back], #results")) return;
    busy = false;
    // Slow down while the server does not answer.
    interval = ctx.status === "swapped" ? INTERVAL : Math.min(interval * 2, LONGEST_INTERVAL);
  });
  document.addEventListener("visibilitychange", poll);
  window.setInterval(poll, 1_000);
})();
