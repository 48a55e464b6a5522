// Keeps figure and spikes in step: a click leads from one to the other.
const overview = document.getElementById("overview");
overview.on("plotly_click", (event) => {
  const mark = event.points.find((point) => point.data.name === "spikes");
  if (!mark) return;
  const story = document.getElementById("spike-" + (mark.pointIndex + 1));
  story.open = true;
  story.scrollIntoView({ behavior: "smooth", block: "start" });
});
for (const link of document.querySelectorAll("a.number")) {
  link.addEventListener("click", () => { document.querySelector(link.hash).open = true; });
}
for (const spike of document.querySelectorAll(".spike")) {
  spike.querySelector(".zoom").addEventListener("click", () => {
    const from = Number(spike.dataset.from), to = Number(spike.dataset.to);
    const room = Math.max((to - from) * 0.6, 0.15);
    Plotly.relayout(overview, { "xaxis.range": [from - room, to + room] });
    overview.scrollIntoView({ behavior: "smooth", block: "center" });
  });
}
