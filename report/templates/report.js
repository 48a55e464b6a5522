"use strict";
// Draws the figures in the page's colours, and keeps them, the spikes and the theme in step.
const root = document.documentElement;
const figures = ["overview", "curves"]
  .map((id) => ({ plot: document.getElementById(id), text: document.getElementById(id + "-figure").textContent }))
  .filter((figure) => figure.plot);

// Colours in a figure are tokens such as "$p99", named after the variables of the style sheet.
function inColours(text) {
  const style = getComputedStyle(root);
  return JSON.parse(text.replace(/"\$([\w-]+)"/g, (_, name) => JSON.stringify(style.getPropertyValue("--" + name).trim())));
}

function draw() {
  const narrow = window.innerWidth < 760;
  for (const { plot, text } of figures) {
    const figure = inColours(text);
    const shown = plot.layout && plot.layout.xaxis.autorange !== true ? plot.layout.xaxis.range : null;
    if (shown) figure.layout.xaxis.range = shown.slice();
    if (narrow) {
      figure.layout.margin.l = plot.id === "overview" ? 104 : 52;
      figure.layout.margin.r = 6;
      figure.layout.font.size = 10;
      if (figure.layout.yaxis3) figure.layout.yaxis3.tickfont.size = 9;
      figure.config.displayModeBar = false;
    }
    figure.config.modeBarButtonsToRemove = ["select2d", "lasso2d", "autoScale2d"];
    Plotly.react(plot, figure.data, figure.layout, figure.config);
  }
}

function setTheme(dark) {
  root.dataset.theme = dark ? "dark" : "light";
  document.getElementById("theme").textContent = dark ? "Light" : "Dark";
  draw();
}

const preferred = window.matchMedia("(prefers-color-scheme: dark)");
const asked = { "#dark": true, "#light": false }[location.hash];
setTheme(asked ?? preferred.matches);
preferred.addEventListener("change", (event) => setTheme(event.matches));
document.getElementById("theme").addEventListener("click", () => setTheme(root.dataset.theme !== "dark"));

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
