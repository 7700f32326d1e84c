// Runs before the first paint: says that scripts run, and picks light or dark.
"use strict";
(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const dark = root.dataset.theme === "dark" || (root.dataset.theme !== "light" && system.matches);
    root.dataset.bsTheme = dark ? "dark" : "light";
    root.classList.toggle("dark-mode", dark); // the name that Swagger UI knows
  };
  root.classList.remove("no-js");
  apply();
  system.addEventListener("change", apply);
})();
