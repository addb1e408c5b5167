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
    legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0, maxheight: 0.8, font: { size: 12 } },
    margin: { l: isNarrow() ? 44 : 64, r: 12, t: isNarrow() ? 8 : 36, b: 48 },
    hovermode: "closest", hoverlabel: { align: "left", bgcolor: "white", font: { size: 12 } },
    paper_bgcolor: "white", plot_bgcolor: "white", dragmode: isNarrow() ? false : "zoom",
  });

  // A legend takes what it needs from below its chart, not from the chart.
  const heightOf = ({ chart, showLegend }, width, paper) => {
    const names = chart.traces.filter((trace) => trace.showlegend !== false).map(({ name }) => (name || "").length);
    const columns = Math.max(1, Math.floor((width - 80) / (7 * Math.max(...names) + 50)));
    const rows = showLegend ? Math.ceil(names.length / columns) : 0;
    return (chart.height || (paper ? 310 : isNarrow() ? 400 : 380)) + 19 * Math.max(0, rows - (paper ? 1 : 3));
  };

  const draw = (id, chart, showLegend) => {
    const place = document.getElementById(id);
    if (!chart.traces.length) {
      Plotly.purge(place);
      place.innerHTML = '<p class="empty">Nothing to draw: no finished trial of this slice has been measured.</p>';
      return;
    }
    place.querySelectorAll(".empty").forEach((note) => note.remove());
    place.drawn = { chart, showLegend };
    place.style.height = `${heightOf(place.drawn, place.clientWidth)}px`;
    Plotly.react(place, chart.traces, layoutOf(chart.layout, showLegend), config);
  };

  const checked = (kind) => new Set(
    [...document.querySelectorAll(`.toggles[data-kind="${kind}"] input:checked`)].map((box) => box.value));

  const applyToggles = () => {
    const curves = checked("curve");
    const regimes = checked("regime");
    const visible = charts.map.traces.map(
      ({ meta }) => meta.curve === null || curves.has(String(meta.curve)) && (meta.regime === null || regimes.has(meta.regime)));
    Plotly.restyle("map", { visible });
  };

  // A page has room for the answer and a map of 400 pixels; rows of names need what they need.
  const mapHeight = (paper) => charts.map.height > 520 ? charts.map.height
    : paper ? Math.min(charts.map.height, 400) : isNarrow() ? 440 : charts.map.height;

  const drawMap = () => {
    const place = document.getElementById("map");
    const trials = charts.map.traces.filter(({ meta }) => meta.regime !== null);
    if (isNarrow()) trials.forEach((trace) => { trace.marker.size = 5; });
    place.style.height = `${mapHeight(false)}px`;
    Plotly.newPlot(place, charts.map.traces, layoutOf(charts.map.layout, false), config);
    document.querySelectorAll(".toggles input").forEach((box) => box.addEventListener("change", applyToggles));
    applyToggles();
  };

  const drawSlice = (index) => {
    const chosen = charts.slices[index];
    draw("scores", chosen.scores, true);
    for (const name of ["spectra", "loss", "rank"]) draw(name, chosen[name], true);
  };

  // Builds one figure for each chart: settings differ in what was measured of them.
  const fill = (id, given) => {
    const place = document.getElementById(id);
    place.querySelectorAll(".chart").forEach((chart) => Plotly.purge(chart));
    place.replaceChildren(...given.map((chart, index) => {
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      const drawing = document.createElement("div");
      caption.textContent = chart.label;
      Object.assign(drawing, { id: `${id}-${index}`, className: "chart small" });
      drawing.setAttribute("role", "figure");
      drawing.setAttribute("aria-label", `${chart.label} over training, by arm`);
      figure.append(caption, drawing);
      return figure;
    }));
    given.forEach((chart, index) => draw(`${id}-${index}`, chart, true));
  };

  const drawArms = (index) => {
    for (const name of ["alignment", "learning"]) fill(name, charts.arms[index][name]);
  };

  // A number's own words: those of the catalogue, or its heading and row where it is one trial's.
  const say = (number) => {
    const id = number.value;
    if (charts.numbers[id]) return charts.numbers[id];
    const cell = number.closest("td");
    if (!cell) return "";
    const heading = cell.closest("table").tHead.rows[0].cells[cell.cellIndex].textContent;
    const row = [...cell.parentElement.cells].slice(0, 3).map((other) => other.textContent.trim());
    return `${heading} of trial ${row[0]}, lr ${row[1]}, replicate ${row[2]}`;
  };

  const showAudit = (number) => {
    const bar = document.getElementById("audit");
    const shown = number.querySelector("code") ? "" : number.textContent.trim();
    bar.querySelector("strong").textContent = shown;
    bar.querySelector("span").textContent = say(number);
    bar.querySelector("code").textContent = `rankfall explain ${charts.study} ${number.value}`;
    bar.hidden = false;
  };

  // Charts have fixed widths in pixels: on paper they get those of a page.
  const fit = (paper) => document.querySelectorAll(".js-plotly-plot").forEach((place) => {
    const isHalf = place.closest(".pair") && !place.closest(".lead");
    const width = isHalf ? paper / 2 - 15 : paper;
    const height = place.drawn ? heightOf(place.drawn, width || place.clientWidth, paper) : mapHeight(paper);
    place.style.height = `${height}px`;
    Plotly.relayout(place, paper ? { autosize: false, width, height } : { autosize: true, width: null, height: null });
  });

  // What is folded on the screen is read on paper.
  const unfold = (isOpen) => document.querySelectorAll(isOpen ? "details:not([open])" : "details[data-folded]")
    .forEach((each) => { each.open = isOpen; each.toggleAttribute("data-folded", isOpen); });

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
  charts.phases.forEach((chart, index) => draw(`phase-${index}`, chart, true));
  if (charts.residuals) draw("residuals", charts.residuals, true);
  if (charts.importance) draw("importance", charts.importance, false);
  charts.contours.forEach((chart, index) => draw(`contour-${index}`, chart, false));
  if (charts.arms.length) {
    const choice = document.getElementById("arm-choice");
    choice.addEventListener("change", () => drawArms(Number(choice.value)));
    drawArms(0);
  }
  document.addEventListener("click", ({ target }) => {
    const number = target.closest("data.n");
    if (number) showAudit(number);
  });
  document.querySelector("#audit button").addEventListener("click", () => {
    document.getElementById("audit").hidden = true;
  });
  window.addEventListener("beforeprint", () => { fit(680); unfold(true); });
  window.addEventListener("afterprint", () => { fit(0); unfold(false); });
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  const filter = document.getElementById("trial-filter");
  if (filter) filter.addEventListener("input", () => filterTrials(filter.value));
  document.documentElement.dataset.ready = "yes";
})();
