// A half-filled form is kept on the server when a field is left and when its page is left: by a link,
// by Back, or by the language, theme and time zone of the top bar.
"use strict";
(() => {
  const form = document.querySelector("form[data-draft]");
  if (!form) return;
  const typed = () => new URLSearchParams(new FormData(form)).toString();
  let kept = typed();
  let leaving = false;
  let saving = Promise.resolve();

  const keep = () => {
    const now = typed();
    if (leaving || now === kept) return saving;
    kept = now;
    saving = fetch(form.dataset.draft, {
      method: "POST",
      body: new URLSearchParams(now),
      credentials: "same-origin",
      keepalive: true,
    }).catch(() => { kept = ""; });
    return saving;
  };

  form.addEventListener("change", keep);
  form.addEventListener("submit", () => { leaving = true; });
  window.addEventListener("pagehide", keep);
  window.addEventListener("pageshow", () => { leaving = false; });
  document.addEventListener("visibilitychange", () => { if (document.hidden) keep(); });

  // The page that follows is made with the draft, so the draft must be there first.
  let sent = null;
  document.addEventListener("submit", (event) => {
    const other = event.target;
    if (!other.closest(".topbar") || other === sent) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const submitter = event.submitter;
    // Not within this event: a form whose submit event is under way ignores requestSubmit().
    keep().finally(() => setTimeout(() => {
      sent = other;
      other.requestSubmit(submitter);
    }));
  }, true);
})();
