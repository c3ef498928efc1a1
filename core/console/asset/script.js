// Everything here is a comfort: each page works without it.
"use strict";

// Live parts: <div data-live="/url"> is filled with the fragments the server sends, until it says "done";
// then the page is loaded anew, as what can be done on it has changed.
// Without this script the page shows the state at load and its Refresh link does the rest.
function follow(part) {
  const sign = document.querySelector("[data-live-sign]");
  let events;
  const end = () => { events?.close(); events = undefined; };
  const seen = () => {
    if (!part.isConnected) { end(); document.removeEventListener("visibilitychange", seen); return; }
    if (document.hidden) { end(); return; } // nobody looks
    if (events) return;
    events = new EventSource(part.dataset.live);
    events.addEventListener("open", () => { if (sign) sign.hidden = false; });
    events.addEventListener("error", () => { if (sign) sign.hidden = true; });
    events.addEventListener("fragment", (e) => { if (part.isConnected) refill(part, e.data); else end(); });
    events.addEventListener("done", () => { end(); location.replace(location.pathname); });
  };
  document.addEventListener("visibilitychange", seen);
  seen();
}

// refill leaves the focus and what was scrolled where they are, and marks rows that are new. It waits while somebody marks
// text, presses a button or writes there.
function refill(part, html) {
  part.newest = html;
  const marked = getSelection();
  const busy = part.matches(":active") || part.querySelector("details[open], input:focus, select:focus, textarea:focus")
    || [...part.querySelectorAll("input:not([type=hidden]), textarea")].some((e) => e.value !== e.defaultValue)
    || (!marked.isCollapsed && part.contains(marked.anchorNode));
  if (busy) { setTimeout(() => { if (part.isConnected && part.newest === html) refill(part, html); }, 1000); return; }
  const focusable = () => [...part.querySelectorAll("a, button, [tabindex]")];
  const name = (e) => e.getAttribute("href") ?? e.getAttribute("aria-label") ?? e.form?.action + e.value;
  const rows = () => [...part.querySelectorAll("tbody tr")].map((row) => [row, row.querySelector("a")?.getAttribute("href")]);
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const wanted = focused && name(focused), nth = focused && focusable().filter((e) => name(e) === wanted).indexOf(focused);
  const scrolled = [...part.querySelectorAll(".scroll")].map((e) => e.scrollLeft);
  const before = part.dataset.shown && new Set(rows().map(([, link]) => link));
  part.innerHTML = html;
  part.dataset.shown = "1";
  localize(part);
  part.querySelectorAll(".scroll").forEach((e, i) => { e.scrollLeft = scrolled[i] ?? 0; });
  for (const [row, link] of rows()) if (before && link && !before.has(link)) row.classList.add("fresh");
  if (focused) focusable().filter((e) => name(e) === wanted)[nth]?.focus({ preventScroll: true });
}

// Instants are shown in the reader's own time zone, which the server is told for the times in forms.
// Chinese pages write days as 2026-11-23, as Swedish does and "zh-CN" itself does not.
const instants = document.documentElement.lang === "en"
  ? new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" })
  : new Intl.DateTimeFormat("sv", { dateStyle: "short", timeStyle: "short" });
document.cookie = "crmhub_zone=" + encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone) + ";path=/;max-age=31536000;samesite=lax";

function localize(root) {
  for (const time of root.querySelectorAll("time")) {
    time.title = time.textContent;
    time.textContent = instants.format(new Date(time.dateTime));
  }
}

// later puts a part of the page that a link leads to in the link's place: what takes the server longer than the rest.
async function later(place) {
  const answer = await fetch(place.querySelector("a").href).catch(() => null);
  if (!answer?.ok || answer.redirected) return; // the link remains
  const part = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-part]");
  if (!part || !place.isConnected) return;
  place.replaceWith(part);
  begin(part);
}

// swap sends a form and puts the page that answers in the place of this one, without loading all of it.
async function swap(form, button) {
  const body = new URLSearchParams(new FormData(form, button));
  const to = button?.hasAttribute("formaction") ? button.formAction : form.action;
  const answer = await fetch(to, { method: "POST", body, headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer) { form.removeAttribute("data-swap"); form.requestSubmit(button); return; }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const main = page.getElementById("main"), here = document.getElementById("main");
  if (answer.status === 413 || answer.status >= 500) { // what was entered stays, to be sent again
    here.querySelector("[data-refused]")?.remove();
    const refused = Object.assign(document.createElement("div"), { className: "notice bad", tabIndex: -1, textContent: main?.querySelector("p")?.textContent ?? page.title });
    refused.dataset.refused = "";
    refused.setAttribute("role", "alert");
    here.prepend(refused);
    refused.scrollIntoView({ block: "center" });
    refused.focus({ preventScroll: true });
    return;
  }
  if (!main || !page.querySelector(".frame")) { location.reload(); return; }
  const focused = document.activeElement?.id, board = here.querySelector(".board")?.scrollLeft;
  here.replaceChildren(...main.childNodes);
  document.title = page.title;
  if (answer.redirected) history.pushState(null, "", answer.url);
  begin(here);
  if (board) here.querySelector(".board")?.scrollTo(board, 0);
  const fault = here.querySelector("[aria-invalid=true]");
  const added = button?.value?.startsWith("add:") && here.querySelector(`input[name="${button.value.slice(4)}~list"]`)?.closest("fieldset")?.querySelector("tbody tr:last-child input:not([type=hidden])");
  const alert = here.querySelector("[role=alert]");
  if (alert) { alert.tabIndex = -1; alert.scrollIntoView({ block: "center" }); }
  (added || fault || alert || (focused && document.getElementById(focused)) || (answer.redirected ? here : null))?.focus({ preventScroll: answer.redirected });
  if (answer.redirected && !board) window.scrollTo(0, 0);
}

// A list of things found below an input: arrows move in it, Escape closes it.
function suggest(input, box, ask, options) {
  let asked = 0, wait;
  const items = () => [...box.querySelectorAll(options)];
  const close = () => { box.hidden = true; input.setAttribute("aria-expanded", "false"); };
  input.addEventListener("input", () => {
    clearTimeout(wait);
    const text = input.value.trim();
    if (!text) { close(); return; }
    wait = setTimeout(async () => {
      const mine = ++asked;
      const answer = await fetch(ask(text)).catch(() => null);
      if (!answer?.ok || mine !== asked || !input.value.trim()) return;
      box.innerHTML = await answer.text();
      box.hidden = false;
      input.setAttribute("aria-expanded", "true");
    }, 120);
  });
  input.closest("form, .refer").addEventListener("keydown", (e) => {
    if (box.hidden) return;
    const all = items(), at = all.indexOf(document.activeElement);
    if (e.key === "Escape") { close(); input.focus(); }
    else if (e.key === "ArrowDown") { all[Math.min(at + 1, all.length - 1)]?.focus(); }
    else if (e.key === "ArrowUp") { at > 0 ? all[at - 1].focus() : input.focus(); }
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  box.parentElement.addEventListener("focusout", (e) => { if (!box.parentElement.contains(e.relatedTarget)) close(); });
  return close;
}

// References: what is chosen sets the id beside the text.
function refer(part) {
  const input = part.querySelector("input[role=combobox]");
  if (!input) return;
  const [id, was] = part.querySelectorAll("input[type=hidden]");
  const box = document.createElement("div");
  box.className = "hits";
  box.id = input.id + "-hits";
  box.hidden = true;
  box.setAttribute("role", "listbox");
  input.setAttribute("aria-controls", box.id);
  part.append(box);
  const close = suggest(input, box, (text) => part.dataset.refer + "?q=" + encodeURIComponent(text), "[role=option]");
  box.addEventListener("click", (e) => {
    const chosen = e.target.closest("[role=option]");
    if (!chosen) return;
    id.value = chosen.dataset.id;
    input.value = was.value = chosen.dataset.title;
    close();
    input.focus();
    const form = part.closest("form[data-swap]"); // a product completes its line, a customer tells the currency
    if (form && (input.name.startsWith("lines.") || form.elements["taken~of"] && input.name === "customer_id~text")) send(form, "find");
  });
}

function send(form, action) {
  const button = document.createElement("button");
  button.name = "do";
  button.value = action;
  button.hidden = true;
  form.append(button);
  swap(form, button);
}

// addUp shows what the lines of a form come to while they are written. Nothing but the sums is taken from the answer: what is being
// written stays.
function addUp(form) {
  const sums = form.querySelector("[data-sums]");
  if (!sums) return;
  form.querySelector("[data-needless]")?.setAttribute("hidden", "");
  let asked = 0, wait;
  const soon = (e) => {
    if (!/^lines\.|^currency$/.test(e.target.name ?? "") || e.target.type === "search") return;
    clearTimeout(wait);
    wait = setTimeout(async () => {
      const mine = ++asked, body = new URLSearchParams(new FormData(form));
      body.set("do", "find");
      const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } }).catch(() => null);
      if (!answer?.ok || mine !== asked) return;
      const now = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(sums.id);
      if (now && mine === asked) sums.replaceChildren(...now.childNodes);
    }, 250);
  };
  form.addEventListener("input", soon);
}

// Boards: a card dropped on a lane presses the button that its menu has for that lane.
function board(part) {
  let dragged;
  for (const card of part.querySelectorAll("[data-card]")) {
    card.draggable = true;
    card.addEventListener("dragstart", (e) => { dragged = card; e.dataTransfer.effectAllowed = "move"; card.classList.add("dragged"); });
    card.addEventListener("dragend", () => card.classList.remove("dragged"));
  }
  for (const lane of part.querySelectorAll("[data-stage]")) {
    lane.addEventListener("dragover", (e) => { if (dragged && !lane.contains(dragged)) { e.preventDefault(); lane.classList.add("over"); } });
    lane.addEventListener("dragleave", (e) => { if (!lane.contains(e.relatedTarget)) lane.classList.remove("over"); });
    lane.addEventListener("drop", (e) => {
      e.preventDefault();
      lane.classList.remove("over");
      const button = [...dragged.querySelectorAll("button[name=stage]")].find((b) => b.value === lane.dataset.stage);
      if (button) { lane.querySelector(".cards").prepend(dragged); swap(button.form, button); }
    });
  }
}

// Rows of a list: all are chosen at once, and how many are chosen shows.
function chooseAll(all) {
  const rows = [...all.closest("table").querySelectorAll("input[name=id]")], shown = document.querySelector("[data-chosen]");
  const count = () => {
    const chosen = rows.filter((row) => row.checked).length;
    if (shown) shown.textContent = chosen ? ` (${chosen})` : "";
    for (const button of document.querySelectorAll("[data-only]")) button.disabled = chosen !== Number(button.dataset.only);
    all.checked = chosen === rows.length;
    all.indeterminate = chosen > 0 && !all.checked;
  };
  all.hidden = false;
  all.addEventListener("change", () => { for (const row of rows) row.checked = all.checked; count(); });
  for (const row of rows) row.addEventListener("change", count);
  count();
}

// Rows of a list: arrows go from one to the next, x chooses the one that has the focus; from the search above, down leads to them.
function rows(region) {
  const all = () => [...region.querySelectorAll("tbody tr")];
  region.addEventListener("keydown", (e) => {
    const row = e.target.closest("tbody tr");
    if (!row || e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input:not([type=checkbox]), select, textarea")) return;
    const at = all().indexOf(row);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all().length - 1 }[e.key];
    if (to !== undefined) all()[to]?.querySelector("a")?.focus();
    else if (e.key === "x") row.querySelector("input[name=id]")?.click();
    else return;
    e.preventDefault();
  });
  document.getElementById("q")?.addEventListener("keydown", (e) => {
    if (e.key === "ArrowDown") { e.preventDefault(); all()[0]?.querySelector("a")?.focus(); }
  });
  document.querySelector("[data-keys]")?.removeAttribute("hidden");
}

// Whatever is new on the page is made comfortable.
function begin(root) {
  localize(root);
  root.querySelectorAll("[data-live]").forEach(follow);
  root.querySelectorAll("[data-later]").forEach(later);
  root.querySelectorAll("[data-refer]").forEach(refer);
  root.querySelectorAll("[data-board]").forEach(board);
  root.querySelectorAll("[data-all]").forEach(chooseAll);
  root.querySelectorAll("[data-rows]").forEach(rows);
  // Forms marked data-submit-on-change are sent when a choice is made.
  // What is typed into a date, or chosen by arrows, changes with each key: that is sent by Enter or when the field is left.
  for (const form of root.querySelectorAll("form[data-submit-on-change]")) {
    let typed, changed;
    form.addEventListener("keydown", (e) => { typed = e.key !== "Enter" && e.key !== " "; });
    form.addEventListener("pointerdown", () => { typed = false; });
    form.addEventListener("focusin", () => { typed = false; });
    form.addEventListener("focusout", () => { if (changed) form.requestSubmit(); });
    form.addEventListener("change", (e) => {
      if (e.target.type === "search") return;
      if (typed && e.target.matches("select, input:not([type=checkbox], [type=radio])")) changed = true; else form.requestSubmit();
    });
    form.addEventListener("submit", () => { for (const field of form.elements) if (field.name && !field.value) field.disabled = true; });
  }
  for (const form of root.querySelectorAll("form[data-swap]")) {
    form.addEventListener("submit", (e) => {
      if (!form.hasAttribute("data-swap")) return;
      e.preventDefault();
      swap(form, e.submitter);
    });
    addUp(form);
  }
}
begin(document);
document.querySelector("[data-found]")?.scrollIntoView({ block: "start" }); // what was asked for, below a form that is longer than the window
document.querySelector(".navs [aria-current]")?.scrollIntoView({ block: "nearest" }); // the navigation is longer than most windows
addEventListener("popstate", () => location.reload());

// Folded panels close when something else is clicked, and by Escape.
document.addEventListener("click", (e) => {
  for (const fold of document.querySelectorAll("details.fold[open]")) if (!fold.contains(e.target)) fold.open = false;
});

// A panel that would reach beyond the window opens to the other side.
document.addEventListener("toggle", ({ target }) => {
  const panel = target.matches?.("details.fold[open]") && target.querySelector(".panel");
  if (panel && panel.getBoundingClientRect().right > document.documentElement.clientWidth) target.classList.add("end");
}, true);

// A fault of a text leads to its line.
document.addEventListener("click", (e) => {
  const link = e.target.closest("[data-line]"), text = link && document.getElementById(link.hash.slice(1));
  if (!text) return;
  e.preventDefault();
  const lines = text.value.split("\n"), at = link.dataset.line - 1;
  const from = lines.slice(0, at).join("\n").length + (at > 0);
  text.focus();
  text.setSelectionRange(from, from + lines[at].length);
  text.scrollTop = (at - 3) * text.scrollHeight / lines.length;
});

// The quick search, and the keys that lead there.
const quick = document.getElementById("quick");
if (quick) {
  suggest(quick, quick.form.querySelector(".hits"), (text) => "/search?part=hits&q=" + encodeURIComponent(text), ".hit");
}
addEventListener("keydown", (e) => {
  const typing = e.target.closest?.("input, textarea, select");
  if ((e.key === "k" && (e.ctrlKey || e.metaKey)) || (e.key === "/" && !typing)) { e.preventDefault(); quick?.select(); quick?.focus(); }
  else if (e.key === "Escape") {
    const fold = document.querySelector("details.fold[open]");
    if (fold) { fold.open = false; fold.querySelector("summary").focus(); }
  }
});
