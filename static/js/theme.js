// Runs before the first paint: marks the page as one with scripts, and applies light or dark.
"use strict";
(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const dark = root.dataset.theme === "dark" || (root.dataset.theme !== "light" && system.matches);
    root.dataset.bsTheme = dark ? "dark" : "light";
    root.classList.toggle("dark-mode", dark); // Swagger UI's class
  };
  root.classList.remove("no-js");
  apply();
  system.addEventListener("change", apply);
})();
