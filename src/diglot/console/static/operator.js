// Draws the charts of the operator's page from the figures that arrive with it. Nothing is kept when it closes.
"use strict";

(() => {
  const KEPT = 121, WIDTH = 1000, HEIGHT = 100, SHORTEST = 60, WINDOW = 60;
  const limits = JSON.parse(document.querySelector("[data-limits]").dataset.limits);
  const samples = [];

  // A counter that falls was that of a server before this one.
  const grown = (now, before, name) => (now[name] >= before[name] ? now[name] - before[name] : null);

  function rate(index, name, seconds) {
    const now = samples[index], before = samples[index - 1];
    const more = before ? grown(now, before, name) : null;
    return more === null ? null : (more / (now.at - before.at)) * seconds;
  }

  // As Prometheus does: between the limits of a bucket the requests lie evenly.
  function quantile(index, share) {
    const now = samples[index];
    const before = samples.find((one) => one.at >= now.at - WINDOW);
    const counts = now.buckets.map((count, place) => count - before.buckets[place]);
    const wanted = counts[counts.length - 1] * share;
    if (!(wanted > 0)) return null;
    let below = 0, low = 0;
    for (let place = 0; place < limits.length; place += 1) {
      if (counts[place] >= wanted) return 1000 * (low + ((limits[place] - low) * (wanted - below)) / (counts[place] - below));
      below = counts[place];
      low = limits[place];
    }
    return 1000 * low;
  }

  const GRAPHS = {
    requests: [(index) => rate(index, "requests", 1), (index) => rate(index, "failed", 1)],
    latency: [0.5, 0.95, 0.99].map((share) => (index) => quantile(index, share)),
    errors: [(index) => rate(index, "errors", 60)],
    pool: [(index) => samples[index].inUse, (index) => samples[index].waiting],
    deliveries: [(index) => samples[index].deliveries],
  };

  const say = (value) => (value === null ? "–" : value < 10 && value % 1 ? value.toPrecision(2) : Math.round(value).toLocaleString("en"));

  function roundUp(value) {
    const unit = 10 ** Math.floor(Math.log10(value));
    return Math.ceil(value / unit) * unit;
  }

  function draw(figure) {
    const rows = GRAPHS[figure.dataset.graph].map((find) => samples.map((_, index) => find(index)));
    const high = roundUp(Math.max(1, ...rows.flat().filter((value) => value !== null)));
    const end = samples[samples.length - 1].at;
    const period = Math.max(SHORTEST, end - samples[0].at);
    const minutes = Math.round(period / 60);
    figure.querySelectorAll("polyline").forEach((line, number) => {
      const points = rows[number].flatMap((value, index) => {
        const x = WIDTH - ((end - samples[index].at) / period) * WIDTH;
        return value === null ? [] : [`${x.toFixed(1)},${(HEIGHT - (value / high) * HEIGHT).toFixed(1)}`];
      });
      line.setAttribute("points", points.join(" "));
    });
    const unit = figure.dataset.unit ? ` ${figure.dataset.unit}` : "";
    const now = rows.map((row) => row[row.length - 1]);
    const last = now.every((value) => value === null) ? "nothing yet" : now.map(say).join(" · ") + unit;
    figure.querySelector("[data-high]").textContent = say(high);
    figure.querySelector("[data-period]").textContent = minutes > 1 ? `last ${minutes} minutes` : "last minute";
    figure.querySelector("output").textContent = last;
    figure.querySelector("svg").setAttribute("aria-label", `${figure.querySelector("figcaption span").textContent}: now ${last}`);
  }

  document.addEventListener("htmx:afterSettle", (event) => {
    const found = event.target.id === "figures" && event.target.querySelector("[data-sample]");
    if (!found) return;
    samples.push(JSON.parse(found.dataset.sample));
    while (samples.length > KEPT) samples.shift();
    document.querySelectorAll("[data-graph]").forEach(draw);
  });
})();
