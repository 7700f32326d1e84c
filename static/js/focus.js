// Where the keyboard stands after an answer has changed the page. The focused element may be gone (the
// × of a filter, "Next" on the last page, a button that was disabled while it was working): then the
// focus goes to what stands in its place, never back to the top of the page.
"use strict";
(() => {
  const { byId } = window.callboard;
  let held = null;

  const lost = () => !document.activeElement || document.activeElement === document.body;
  const focus = (element) => {
    element?.focus({ preventScroll: true });
    return Boolean(element) && document.activeElement === element;
  };

  // The field of a filter; a field in a closed menu is reached by the menu's own button.
  const fieldOf = (name) => {
    const field = document.querySelector(`#filters [name="${CSS.escape(name)}"]:not([type=hidden])`);
    return field?.closest("details:not([open])")?.querySelector("summary") ?? field;
  };
  const firstField = () => document.querySelector("#filters [data-search], #filters .field input:not([type=hidden])");
  const ancestors = (element) => {
    const ids = [];
    for (let at = element.parentElement; at && at.id !== "main"; at = at.parentElement) if (at.id) ids.push(at.id);
    return element.closest("#filters") ? ["results"] : ids;
  };
  // What is left of the place in which it stood.
  const remains = (ids) => {
    const place = ids.map(byId).find(Boolean);
    if (place && !place.matches("a, button, input, summary")) place.tabIndex = -1;
    return place;
  };

  const note = (element) => {
    if (!element || element === document.body) return null;
    const inside = (selector) => Boolean(element.closest(selector));
    return {
      element,
      filter: element.dataset.filter ?? null,
      inFilters: inside("#filters"),
      inPager: inside("#results .pager"),
      inRows: inside("#results tr"),
      around: ancestors(element),
    };
  };

  const restore = (was) => {
    if (!was || !lost()) return;
    const { element } = was;
    if (focus(element.id ? byId(element.id) : element.isConnected ? element : null)) return;
    // On a telephone the focus in a field brings up the keys.
    const typing = !window.matchMedia("(pointer: coarse)").matches;
    const places = [
      was.filter !== null && typing && (() => fieldOf(was.filter)),
      was.inFilters && typing && firstField,
      was.inPager && (() => document.querySelector("#results .pager [aria-current=page]") ?? document.querySelector("#results .pager a")),
      was.inRows && (() => document.querySelector("#results tbody a[href]")),
      () => remains(was.around),
    ];
    for (const place of places) if (place && focus(place())) return;
  };

  // What asks may be disabled while it waits, and then has lost the focus before the answer is there.
  const asking = new WeakMap();
  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
    asking.set(ctx, note(document.activeElement));
  });
  document.addEventListener("htmx:before:swap", () => { held = note(document.activeElement); });
  document.addEventListener("htmx:after:swap", () => {
    restore(held);
    held = null;
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    const was = asking.get(ctx);
    if (!was?.element.matches(":disabled")) return;
    // htmx lets the button go after this event.
    window.setTimeout(() => restore(was), 0);
  });
})();
