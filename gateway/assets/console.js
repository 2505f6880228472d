// The console's own script: small on purpose. Every page works without it; live updates do not.
(() => {
  "use strict";

  // The server writes times in the reader's zone. The zone is no secret, so the cookie is plain.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && /^[A-Za-z0-9_+\-/]{1,64}$/.test(zone)) {
    const known = document.cookie.split("; ").includes("ringmain-zone=" + zone);
    document.cookie = "ringmain-zone=" + zone + "; Path=/; Max-Age=31536000; SameSite=Strict";
    if (!known && document.body.dataset.zone && document.body.dataset.zone !== zone) {
      location.reload();
    }
  }

  // What somebody has opened to read is not swapped away under their eyes; what they send there goes out all the same.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.closest("form")) {
      return;
    }
    const holder = event.target.closest("[data-hold-open]");
    if (holder && holder.querySelector("details[open]")) {
      event.preventDefault();
    }
  });

  // A page that lost its feed says so.
  const line = () => document.getElementById("feed-state");
  document.addEventListener("htmx:sseOpen", () => {
    if (line()) line().hidden = true;
  });
  document.addEventListener("htmx:sseError", () => {
    if (line()) line().hidden = false;
  });

  // A file is read into the field it belongs to: it is looked at there before it is sent.
  for (const part of document.querySelectorAll("[data-needs-script]")) {
    part.hidden = false;
  }
  for (const input of document.querySelectorAll("input[type=file][data-into]")) {
    input.addEventListener("change", async () => {
      const field = document.getElementById(input.dataset.into);
      if (field && input.files.length > 0) {
        field.value = await input.files[0].text();
        field.focus();
      }
    });
  }

  // "/" goes to the search field.
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    const search = document.querySelector("input[type=search]");
    if (event.key === "/" && !typing && search && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
    }
  });
})();
