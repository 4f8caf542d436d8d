// Draws every plot from the data beside it, and again at the paper's width when the page is printed.
"use strict";
const plots = [...document.querySelectorAll(".plot")];
// Without a pointer the button would always cover a corner of the plot.
const button = matchMedia("(hover: hover)").matches ? "hover" : false;
const config = {responsive: true, displaylogo: false, displayModeBar: button, modeBarButtons: [["toImage"]]};
for (const plot of plots) {
  const data = plot.querySelector("script");
  const {data: traces, layout} = JSON.parse(data.textContent);
  data.remove();
  Plotly.newPlot(plot, traces, layout, config);
}
const resize = () => {
  for (const plot of plots) Plotly.relayout(plot, {width: plot.clientWidth});
};
addEventListener("beforeprint", () => {
  document.body.classList.add("paper");
  resize();
});
addEventListener("afterprint", () => {
  document.body.classList.remove("paper");
  for (const plot of plots) Plotly.relayout(plot, {width: null, autosize: true});
});
