// The filter of the audit: removes a called number after it was sent, and checks the boxes that the
// server sent as checked.
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
