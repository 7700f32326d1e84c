// Hides a revealed number after the seconds that the server gives, and at once when the page is left,
// so that Back does not restore it from the browser's cache.
"use strict";
(() => {
  const { announce } = window.callboard;
  const shown = () => document.querySelectorAll("[data-hide-after]");

  const hide = (box) => {
    const text = box.dataset.sayHidden;
    box.remove();
    announce(text);
  };

  const startTimer = (box) => {
    if ("uiArmed" in box.dataset) return;
    box.dataset.uiArmed = "";
    const end = Date.now() + Number(box.dataset.hideAfter) * 1000;
    const countdown = box.querySelector("[data-hide-say]");
    const timer = window.setInterval(() => {
      const left = Math.ceil((end - Date.now()) / 1000);
      if (left <= 0 || !box.isConnected) {
        window.clearInterval(timer);
        if (box.isConnected) hide(box);
      } else {
        countdown.textContent = countdown.dataset.hideSay.replace("{n}", left);
      }
    }, 250);
  };

  // The reason is the next thing to type.
  document.addEventListener("toggle", (event) => {
    if (event.target.open && event.target.matches(".reveal-form")) {
      event.target.querySelector("input[name=reason]").focus();
    }
  }, true);
  document.addEventListener("htmx:after:swap", () => {
    for (const box of shown()) startTimer(box);
  });
  window.addEventListener("pagehide", () => {
    for (const box of shown()) box.remove();
  });
  for (const box of shown()) startTimer(box);
})();
