// Everything here is a comfort: each page works without it.
//
// Live parts: <div data-live="/url"> is filled with the fragments the server sends, until it says "done";
// then the page is loaded anew, as what can be done on it has changed.
// Without this script the page shows the state at load and its Refresh link does the rest.
"use strict";

for (const part of document.querySelectorAll("[data-live]")) {
  const events = new EventSource(part.dataset.live);
  events.addEventListener("fragment", (e) => { part.innerHTML = e.data; localize(part); });
  events.addEventListener("done", () => { events.close(); location.replace(location.pathname); });
}

// Instants are shown in the reader's own time zone.
// Chinese pages write days as 2026-11-23, as Swedish does and "zh-CN" itself does not.
const instants = document.documentElement.lang === "en"
  ? new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" })
  : new Intl.DateTimeFormat("sv", { dateStyle: "short", timeStyle: "short" });

function localize(root) {
  for (const time of root.querySelectorAll("time")) {
    time.title = time.textContent;
    time.textContent = instants.format(new Date(time.dateTime));
  }
}
localize(document);

// Forms marked data-submit-on-change are sent when a choice is made.
for (const form of document.querySelectorAll("form[data-submit-on-change]")) {
  form.addEventListener("change", () => form.requestSubmit());
}
