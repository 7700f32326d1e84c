// A half-filled form is kept on the server when a field is left and when its page is left: by a link,
// by Back, or by the language, theme and time zone of the top bar.
"use strict";
(() => {
  // On the form itself, or within a form of Django's admin.
  const mark = document.querySelector("[data-draft]");
  const form = mark?.closest("form");
  if (!form) return;
  const LONGEST_WAIT = 2000; // ms
  const typed = () => {
    const fields = new FormData(form);
    for (const secret of form.querySelectorAll("input[type=password]")) fields.delete(secret.name);
    // Django's pair of boxes: what was chosen stands in the second, and is selected only when it is sent.
    for (const box of form.querySelectorAll(".selector-chosen select")) {
      fields.delete(box.name);
      for (const { value } of window.SelectBox?.cache[box.id] ?? box.options) fields.append(box.name, value);
    }
    return new URLSearchParams(fields).toString();
  };
  let kept = typed();
  let leaving = false;
  let saving = null;

  const keep = () => {
    const now = typed();
    if (leaving || now === kept) return;
    kept = now;
    const request = fetch(mark.dataset.draft, {
      method: "POST",
      body: new URLSearchParams(now),
      credentials: "same-origin",
      keepalive: true,
    }).catch(() => { kept = ""; }).finally(() => { if (saving === request) saving = null; });
    saving = request;
  };
  // A saving that hangs holds nothing up for long.
  const settle = () => Promise.race([saving, new Promise((done) => setTimeout(done, LONGEST_WAIT))]);

  form.addEventListener("change", keep);
  window.addEventListener("pagehide", keep);
  window.addEventListener("pageshow", () => { leaving = false; sent = null; });
  document.addEventListener("visibilitychange", () => { if (document.hidden) keep(); });

  // The button that sends or discards the form also leaves its field: a draft that arrived after it
  // would bring the form back. And the page after the top bar is made with the draft.
  let sent = null;
  document.addEventListener("submit", (event) => {
    const other = event.target;
    const own = other === form;
    if (!own && !other.closest(".topbar, #user-tools")) return;
    if (!own) keep();
    if (other === sent || !saving) {
      leaving ||= own;
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    const submitter = event.submitter;
    // Not within this event: a form whose submit event is under way ignores requestSubmit().
    settle().finally(() => setTimeout(() => {
      if (sent) return;
      sent = other;
      leaving = own;
      other.requestSubmit(submitter);
    }));
  }, true);
})();
