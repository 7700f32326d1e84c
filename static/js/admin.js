// Applies the user's theme to Django's admin.
"use strict";
(() => {
  const { choice } = document.currentScript.dataset;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const isDark = choice === "dark" || (choice === "auto" && system.matches);
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
  };
  apply();
  system.addEventListener("change", apply);
})();
