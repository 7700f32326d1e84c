// The result codes: when a refresh has ended, its outcome is read aloud and the table is read anew.
"use strict";
(() => {
  const { announce, byId } = window.callboard;
  let running = byId("code-refresh")?.dataset.state === "running";

  document.addEventListener("htmx:after:swap", () => {
    const box = byId("code-refresh");
    if (!box) return;
    const ended = box.dataset.state === "done" || box.dataset.state === "failed";
    if (box.dataset.state === "running") running = true;
    const asked = box.querySelector("[data-done]");
    if (!running || !ended) return;
    running = false;
    if (!asked) return;
    const address = window.location.pathname + window.location.search;
    window.htmx.ajax("GET", address, { source: box, target: byId("results"), swap: "outerMorph" })
      .then(() => announce(asked.textContent.trim()));
  });
})();
