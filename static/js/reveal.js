// A number that was shown for a reason goes again: after the seconds that the server gives, and at
// once when the page is left, so that Back does not bring it up from the browser's memory.
"use strict";
(() => {
  const { announce } = window.callboard;
  const shown = () => document.querySelectorAll("[data-hide-after]");

  const hide = (box) => {
    const text = box.dataset.sayHidden;
    box.remove();
    announce(text);
  };

  const arm = (box) => {
    if ("uiArmed" in box.dataset) return;
    box.dataset.uiArmed = "";
    const end = Date.now() + Number(box.dataset.hideAfter) * 1000;
    const words = box.querySelector("[data-hide-say]");
    const timer = window.setInterval(() => {
      const left = Math.ceil((end - Date.now()) / 1000);
      if (left <= 0 || !box.isConnected) {
        window.clearInterval(timer);
        if (box.isConnected) hide(box);
      } else {
        words.textContent = words.dataset.hideSay.replace("{n}", left);
      }
    }, 250);
  };

  // Who wants a number is asked for the reason: the field is what comes next.
  document.addEventListener("toggle", (event) => {
    if (event.target.open && event.target.matches(".reveal .deed")) {
      event.target.querySelector("input[name=reason]").focus();
    }
  }, true);
  document.addEventListener("htmx:after:swap", () => {
    for (const box of shown()) arm(box);
  });
  window.addEventListener("pagehide", () => {
    for (const box of shown()) box.remove();
  });
  for (const box of shown()) arm(box);
})();
