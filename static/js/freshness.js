// The age of the shown rows: a text after one minute, a colour after five. It counts from the arrival of
// the answer, so that a wrong clock of the computer does not matter; that of a stale answer
// (data-source="stale") from its own time.
"use strict";
(() => {
  const MINUTE_MS = 60_000;
  const OLD_MS = 5 * MINUTE_MS;
  let knownStamp = "";
  let since = 0;

  const tick = () => {
    const element = document.getElementById("as-of");
    if (!element) return;
    const stamp = Date.parse(element.dataset.asOf);
    if (Number.isNaN(stamp)) return;
    const stale = element.dataset.source === "stale";
    if (knownStamp !== element.dataset.asOf) {
      knownStamp = element.dataset.asOf;
      since = stale ? stamp : Date.now();
    }
    const age = Date.now() - since;
    const minutes = Math.floor(age / MINUTE_MS);
    const label = minutes < 60
      ? element.dataset.sayMinutes.replace("{n}", minutes)
      : element.dataset.sayHours.replace("{n}", Math.floor(minutes / 60));
    // The age of a stale answer in the markup is wrong after a minute.
    const text = minutes < 1 ? "" : ` · ${label}`;
    const serverAge = element.querySelector("[data-server-age]");
    if (serverAge) serverAge.hidden = minutes >= 1;
    const output = element.querySelector("[data-age]");
    if (output && output.textContent !== text) output.textContent = text;
    element.toggleAttribute("data-ui-old", age >= OLD_MS || stale);
  };

  tick();
  window.setInterval(tick, 5_000);
  document.addEventListener("htmx:after:swap", tick);
  document.addEventListener("callboard:unchanged", tick);
  document.addEventListener("visibilitychange", tick);
})();
