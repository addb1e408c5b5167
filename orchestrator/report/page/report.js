"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const isNarrow = () => window.innerWidth < 560;
  // plotly's button that uploads a chart to its cloud has no place in a report that stays local.
  const config = {
    responsive: true, displaylogo: false, displayModeBar: !isNarrow(), showSendToCloud: false,
    plotlyServerURL: "", modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
  };
  const font = { family: "system-ui, 'Segoe UI', 'Liberation Sans', 'DejaVu Sans', sans-serif", size: 13, color: "#1b1f24" };

  const axis = (given) => Object.assign(
    { gridcolor: "#d9dde2", zeroline: false, linecolor: "#1b1f24", ticks: "outside", automargin: true }, given);

  const layoutOf = (given, showLegend) => Object.assign({}, given, {
    xaxis: axis(given.xaxis), yaxis: axis(given.yaxis), font, showlegend: showLegend,
    legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0, font: { size: 12 } },
    margin: { l: isNarrow() ? 44 : 64, r: 12, t: isNarrow() ? 8 : 36, b: 48 },
    hovermode: "closest", hoverlabel: { align: "left", bgcolor: "white", font: { size: 12 } },
    paper_bgcolor: "white", plot_bgcolor: "white", dragmode: isNarrow() ? false : "zoom",
  });

  const draw = (id, chart, showLegend) => {
    const place = document.getElementById(id);
    if (!chart.traces.length) {
      Plotly.purge(place);
      place.innerHTML = '<p class="empty">Nothing to draw: no finished trial of this slice has been measured.</p>';
      return;
    }
    place.querySelectorAll(".empty").forEach((note) => note.remove());
    Plotly.react(place, chart.traces, layoutOf(chart.layout, showLegend), config);
  };

  const checked = (kind) => new Set(
    [...document.querySelectorAll(`.toggles[data-kind="${kind}"] input:checked`)].map((box) => box.value));

  const applyToggles = () => {
    const curves = checked("curve");
    const regimes = checked("regime");
    const visible = charts.map.traces.map(
      ({ meta }) => curves.has(String(meta.curve)) && (meta.regime === null || regimes.has(meta.regime)));
    Plotly.restyle("map", { visible });
  };

  const drawMap = () => {
    const place = document.getElementById("map");
    const trials = charts.map.traces.filter(({ meta }) => meta.regime !== null);
    if (isNarrow()) trials.forEach((trace) => { trace.marker.size = 5; });
    if (!isNarrow() || charts.map.height > 520) place.style.height = `${charts.map.height}px`;
    Plotly.newPlot(place, charts.map.traces, layoutOf(charts.map.layout, false), config);
    document.querySelectorAll(".toggles input").forEach((box) => box.addEventListener("change", applyToggles));
    applyToggles();
  };

  const drawSlice = (index) => {
    const chosen = charts.slices[index];
    draw("scores", chosen.scores, true);
    for (const name of ["spectra", "loss", "rank"]) draw(name, chosen[name], true);
  };

  const compare = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    if (a === "" || b === "") return (a === "") - (b === "");
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };

  const sortBy = (table, column, heading) => {
    const ascending = heading.getAttribute("aria-sort") !== "ascending";
    table.querySelectorAll("thead th").forEach((other) => other.setAttribute("aria-sort", "none"));
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const body = table.tBodies[0];
    const value = (row) => row.cells[column].dataset.sort;
    const rows = [...body.rows].sort((a, b) => (ascending ? 1 : -1) * compare(value(a), value(b)));
    body.append(...rows);
  };

  const makeSortable = (table) => table.querySelectorAll("thead th").forEach((heading, column) =>
    heading.querySelector("button").addEventListener("click", () => sortBy(table, column, heading)));

  const filterTrials = (text) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...document.querySelectorAll("#trials tbody tr")];
    rows.forEach((row) => {
      const content = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => content.includes(word));
    });
    document.getElementById("trial-count").textContent =
      `${rows.filter((row) => !row.hidden).length} of ${rows.length} trials`;
  };

  if (document.getElementById("map")) drawMap();
  if (charts.slices.length) {
    const choice = document.getElementById("slice-choice");
    choice.addEventListener("change", () => drawSlice(Number(choice.value)));
    choice.value = String(charts.default_slice);
    drawSlice(charts.default_slice);
  }
  charts.best.forEach((chart, index) => draw(`best-${index}`, chart, true));
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  const filter = document.getElementById("trial-filter");
  if (filter) filter.addEventListener("input", () => filterTrials(filter.value));
  document.documentElement.dataset.ready = "yes";
})();
