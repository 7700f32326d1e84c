// Lets Django's admin follow the theme that the reader chose in the product.
"use strict";
document.documentElement.dataset.theme = document.currentScript.dataset.choice;
