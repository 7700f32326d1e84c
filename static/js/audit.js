// The audit's filter: a called number is sent once and then forgotten, and boxes follow the server.
"use strict";
(() => {
  document.addEventListener("htmx:after:swap", () => {
    const form = document.getElementById("filters");
    if (!form) return;
    if (!form.querySelector("#number-error")) {
      for (const input of form.querySelectorAll("[data-once]")) input.value = "";
    }
    for (const box of form.querySelectorAll("input[type=checkbox]")) box.checked = box.defaultChecked;
  });
})();
