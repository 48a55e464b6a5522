"use strict";
// Draws every figure of the page in the page's colours, and keeps them and the theme in step.
const root = document.documentElement;
const figures = [...document.querySelectorAll(".plot")]
  .map((plot) => ({ plot, text: document.getElementById(plot.id + "-figure").textContent }));

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
