// Security keys: the browser asks the key and puts its answer into the form, which is then sent.
// The options are in a JSON element of the page, with bytes as base64url.
"use strict";
(() => {
  const form = document.querySelector("form[data-security-key]");
  const options = document.getElementById("security-key-options");
  if (!form || !options) return;
  const { toast } = window.callboard;

  const toBytes = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
  const toText = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const withBytes = (list) => (list ?? []).map((entry) => ({ ...entry, id: toBytes(entry.id) }));

  const creationOptions = (json) => ({
    ...json,
    challenge: toBytes(json.challenge),
    user: { ...json.user, id: toBytes(json.user.id) },
    excludeCredentials: withBytes(json.excludeCredentials),
  });
  const requestOptions = (json) => ({
    ...json,
    challenge: toBytes(json.challenge),
    allowCredentials: withBytes(json.allowCredentials),
  });

  const serialize = (credential) => {
    const { response } = credential;
    const parts = { clientDataJSON: toText(response.clientDataJSON) };
    if (response.attestationObject) {
      parts.attestationObject = toText(response.attestationObject);
      parts.transports = response.getTransports?.() ?? [];
    } else {
      parts.authenticatorData = toText(response.authenticatorData);
      parts.signature = toText(response.signature);
      parts.userHandle = response.userHandle ? toText(response.userHandle) : null;
    }
    return {
      id: credential.id,
      rawId: toText(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment,
      clientExtensionResults: credential.getClientExtensionResults(),
      response: parts,
    };
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.submitter;
    const { publicKey } = JSON.parse(options.textContent);
    const adds = form.dataset.securityKey === "add";
    try {
      const credential = adds
        ? await navigator.credentials.create({ publicKey: creationOptions(publicKey) })
        : await navigator.credentials.get({ publicKey: requestOptions(publicKey) });
      form.elements.namedItem("credential").value = JSON.stringify(serialize(credential));
      form.submit();
    } catch {
      // Cancelled, too late, or unknown key: the browser has told the user, but not this script.
      toast(form.dataset.sayFailed, { stays: true });
      window.setTimeout(() => { if (button) button.disabled = false; }, 100);
    }
  });
  if (!window.PublicKeyCredential) toast(form.dataset.sayFailed, { stays: true });
})();
