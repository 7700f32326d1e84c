// Applies the user's theme to Django's admin.
"use strict";
document.documentElement.dataset.theme = document.currentScript.dataset.choice;
