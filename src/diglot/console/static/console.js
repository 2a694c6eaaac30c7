// Small behaviours of the console's pages. Each is asked for by a data attribute; htmx loads parts of pages.
"use strict";

// Whoever is explained is named in the field, also if a click on a member asked.
document.addEventListener("click", (event) => {
  const member = event.target.closest("[data-member]");
  if (member) document.getElementById("contact").value = member.dataset.member;
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// A page in the background asks for nothing, and what somebody reads or has the focus in is not replaced.
document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.target;
  const isRead = part.contains(document.activeElement) || part.querySelector("details[open]");
  if (part.hasAttribute("data-poll") && (document.hidden || isRead)) event.preventDefault();
});

// An error is shown in the place of the part that was asked for, unless nobody asked.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status >= 400 && !event.target.closest("[data-poll]")) event.detail.shouldSwap = true;
});

// The slider names a day; the last one stands for now, for which no day is sent.
function moveSlider(range) {
  const form = range.closest("[data-slider]");
  const at = Number(range.value);
  const isNow = at === Number(range.max);
  const day = form.querySelector("[name=day]");
  day.disabled = isNow;
  day.value = isNow ? "" : range.dataset.days.split(" ")[at];
  const label = isNow ? "now" : `the end of ${range.dataset.labels.split("|")[at]}`;
  form.querySelector("[data-slider-label]").textContent = label;
  range.setAttribute("aria-valuetext", label);
  for (const rect of document.querySelectorAll(".chart .day")) {
    rect.classList.toggle("chosen", Number(rect.dataset.day) === at);
  }
}

document.addEventListener("input", (event) => {
  if (event.target.matches("[data-slider] input[type=range]")) moveSlider(event.target);
});

document.addEventListener("click", (event) => {
  const day = event.target.closest(".chart .day");
  const range = day && day.closest("section").querySelector("[data-slider] input[type=range]");
  if (!range || range.disabled) return;
  range.value = day.dataset.day;
  moveSlider(range);
  range.dispatchEvent(new Event("change", { bubbles: true }));
});

// A token stands after # in a link, where no server and no log sees it.
for (const form of document.querySelectorAll("[data-token-from-address]")) {
  const token = decodeURIComponent(location.hash.slice(1));
  if (!token) continue;
  history.replaceState(null, "", location.pathname);
  form.elements.token.value = token;
  if ("sendAtOnce" in form.dataset) form.submit();
}

for (const field of document.querySelectorAll("[data-time-zone]")) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && field.value === "UTC") field.value = zone;
}
