// The age of the shown rows: text after a minute, colour after five. It counts from when the answer
// came in, so that a wrong computer clock does not matter; only an answer that was old already
// (data-source="stale") is counted from its own time.
"use strict";
(() => {
  const MINUTE = 60_000;
  const OLD = 5 * MINUTE;
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
    const minutes = Math.floor(age / MINUTE);
    const label = minutes < 60
      ? element.dataset.sayMinutes.replace("{n}", minutes)
      : element.dataset.sayHours.replace("{n}", Math.floor(minutes / 60));
    // The server writes the age of a stale answer itself, which is wrong after a minute.
    const text = minutes < 1 ? "" : ` · ${label}`;
    const serverAge = element.querySelector("[data-server-age]");
    if (serverAge) serverAge.hidden = minutes >= 1;
    const place = element.querySelector("[data-age]");
    if (place && place.textContent !== text) place.textContent = text;
    element.toggleAttribute("data-ui-old", age >= OLD || stale);
  };

  tick();
  window.setInterval(tick, 5_000);
  document.addEventListener("htmx:after:swap", tick);
  document.addEventListener("callboard:unchanged", tick);
  document.addEventListener("visibilitychange", tick);
})();
