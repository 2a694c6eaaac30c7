// The rule builder: an error of the server is said above the form, and the form stays as it is.
"use strict";

document.addEventListener("htmx:beforeSwap", (event) => {
  const place = document.getElementById("builder-error");
  if (!place || !event.target.closest("#builder")) return;
  if (event.detail.xhr.status < 400) {
    place.replaceChildren();
    return;
  }
  event.detail.shouldSwap = true;
  event.detail.target = place;
  event.detail.swapOverride = "innerHTML show:top";
});
