// Lets Django's admin follow the theme that the reader chose in the product.
"use strict";
(() => {
  const chosen = /(?:^|; )theme=(light|dark)(?:;|$)/.exec(document.cookie);
  document.documentElement.dataset.theme = chosen ? chosen[1] : "auto";
})();
