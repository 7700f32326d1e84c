// How old the shown rows are: words after a minute, colour after five. The age counts from the
// moment the answer came in, so that a wrong clock in the computer does not invent an age; only an
// answer that was old already (data-source="stale") is counted from its own time.
"use strict";
(() => {
  const MINUTE = 60_000;
  const OLD = 5 * MINUTE;
  let known = "";
  let since = 0;

  const tick = () => {
    const element = document.getElementById("as-of");
    if (!element) return;
    const stamp = Date.parse(element.dataset.asOf);
    if (Number.isNaN(stamp)) return;
    const stale = element.dataset.source === "stale";
    if (known !== element.dataset.asOf) {
      known = element.dataset.asOf;
      since = stale ? stamp : Date.now();
    }
    const age = Date.now() - since;
    const minutes = Math.floor(age / MINUTE);
    const words = minutes < 60
      ? element.dataset.sayMinutes.replace("{n}", minutes)
      : element.dataset.sayHours.replace("{n}", Math.floor(minutes / 60));
    // The server has said the age of a stale answer itself; after a minute that is no longer true.
    const text = minutes < 1 ? "" : ` · ${words}`;
    const said = element.querySelector("[data-said]");
    if (said) said.hidden = minutes >= 1;
    const place = element.querySelector("[data-age]");
    if (place && place.textContent !== text) place.textContent = text;
    element.toggleAttribute("data-ui-old", age >= OLD || stale);
  };

  tick();
  window.setInterval(tick, 5_000);
  document.addEventListener("htmx:after:swap", tick);
  document.addEventListener("visibilitychange", tick);
})();
