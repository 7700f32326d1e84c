// The focus after an answer has changed the page. If the focused element is gone (the × of a filter,
// "Next" on the last page, a button that was disabled during its request), its successor gets the focus,
// so that the focus does not go back to the top of the page.
"use strict";
(() => {
  const { byId } = window.callboard;
  let noted = null;

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
  // The nearest ancestor that is still there.
  const remainingAncestor = (ids) => {
    const element = ids.map(byId).find(Boolean);
    if (element && !element.matches("a, button, input, summary")) element.tabIndex = -1;
    return element;
  };

  const describe = (element) => {
    if (!element || element === document.body) return null;
    const inside = (selector) => Boolean(element.closest(selector));
    return {
      element,
      filter: element.dataset.filter ?? null,
      inFilters: inside("#filters"),
      inPager: inside("#results .pager"),
      inRows: inside("#results tr"),
      ancestors: ancestors(element),
    };
  };

  const restore = (note) => {
    if (!note || !lost()) return;
    const { element } = note;
    if (focus(element.id ? byId(element.id) : element.isConnected ? element : null)) return;
    // On a touch screen a focused field opens the keyboard.
    const hasMouse = !window.matchMedia("(pointer: coarse)").matches;
    const successors = [
      note.filter !== null && hasMouse && (() => fieldOf(note.filter)),
      note.inFilters && hasMouse && firstField,
      note.inPager && (() => document.querySelector("#results .pager [aria-current=page]") ?? document.querySelector("#results .pager a")),
      note.inRows && (() => document.querySelector("#results tbody a[href]")),
      () => remainingAncestor(note.ancestors),
    ];
    for (const successor of successors) if (successor && focus(successor())) return;
  };

  // An element that is disabled during its request loses the focus before the answer.
  const requesting = new WeakMap();
  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
    requesting.set(ctx, describe(document.activeElement));
  });
  document.addEventListener("htmx:before:swap", () => { noted = describe(document.activeElement); });
  document.addEventListener("htmx:after:swap", () => {
    restore(noted);
    noted = null;
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    const note = requesting.get(ctx);
    if (!note?.element.matches(":disabled")) return;
    // htmx enables the button after this event.
    window.setTimeout(() => restore(note), 0);
  });
})();
