// Saves the draft of an unfinished form on the server when a field or the page is left: by a link, by
// Back, or by a change of language, theme or time zone in the top bar.
"use strict";
(() => {
  // On the form itself, or within a form of Django's admin.
  const mark = document.querySelector("[data-draft]");
  const form = mark?.closest("form");
  if (!form) return;
  const MAX_WAIT_MS = 2000;
  const serialize = () => {
    const fields = new FormData(form);
    for (const secret of form.querySelectorAll("input[type=password]")) fields.delete(secret.name);
    // Django's widget of two lists: the second has the chosen options, selected only when it is sent.
    for (const box of form.querySelectorAll(".selector-chosen select")) {
      fields.delete(box.name);
      for (const { value } of window.SelectBox?.cache[box.id] ?? box.options) fields.append(box.name, value);
    }
    return new URLSearchParams(fields).toString();
  };
  let saved = serialize();
  let leaving = false;
  let saving = null;

  const save = () => {
    const fields = serialize();
    if (leaving || fields === saved) return;
    saved = fields;
    const request = fetch(mark.dataset.draft, {
      method: "POST",
      body: new URLSearchParams(fields),
      credentials: "same-origin",
      keepalive: true,
    }).catch(() => { saved = ""; }).finally(() => { if (saving === request) saving = null; });
    saving = request;
  };
  const waitUntilSaved = () => Promise.race([saving, new Promise((done) => setTimeout(done, MAX_WAIT_MS))]);

  form.addEventListener("change", save);
  window.addEventListener("pagehide", save);
  window.addEventListener("pageshow", () => { leaving = false; sent = null; });
  document.addEventListener("visibilitychange", () => { if (document.hidden) save(); });

  // A click on the button of this form leaves a field, which saves the draft. If the draft arrived after
  // the form, the form would come back. A form of the top bar leads to a page that needs the draft.
  let sent = null;
  document.addEventListener("submit", (event) => {
    const other = event.target;
    const own = other === form;
    if (!own && !other.closest(".topbar, #user-tools")) return;
    if (!own) save();
    if (other === sent || !saving) {
      leaving ||= own;
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    const submitter = event.submitter;
    // Later: during its submit event a form ignores requestSubmit().
    waitUntilSaved().finally(() => setTimeout(() => {
      if (sent) return;
      sent = other;
      leaving = own;
      other.requestSubmit(submitter);
    }));
  }, true);
})();
