// Write-backs on the screen follow what becomes of them while some still wait: in their places, with
// no row added, moved or taken away, and never while somebody has a confirmation open.
"use strict";
(() => {
  const { byId } = window.callboard;
  const EVERY = 3_000;
  const LONGEST = 60_000;
  let pause = EVERY;
  let asked = Date.now();
  let busy = false;

  const place = () => byId("results") ?? byId("write-back");
  const isPoll = (ctx) => ctx.sourceElement === place() && ctx.target === place();

  const look = () => {
    const element = place();
    if (!element?.dataset.pollUrl || document.hidden || busy || Date.now() - asked < pause) return;
    if (document.querySelector(".deed[open], .reveal-form[open], [data-hide-after]")) return;
    asked = Date.now();
    window.htmx.ajax("GET", element.dataset.pollUrl, { source: element, target: element, swap: "outerMorph" });
  };

  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (!isPoll(ctx)) return;
    busy = true;
    // What looks after itself must not keep a session alive.
    ctx.request.headers["X-Poll"] = "1";
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (ctx.sourceElement !== ctx.target || !ctx.sourceElement.matches?.("[data-write-back], #results")) return;
    busy = false;
    // A server that cannot answer is not asked every few seconds.
    pause = ctx.status === "swapped" ? EVERY : Math.min(pause * 2, LONGEST);
  });
  document.addEventListener("visibilitychange", look);
  window.setInterval(look, 1_000);
})();
