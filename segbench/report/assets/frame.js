// Theme, files beside the page, printing, and the start.

function buildTheme() {
  const order = ["system", "light", "dark"];
  let place = 0;
  try {
    place = Math.max(order.indexOf(localStorage.getItem("segbench-theme")), 0);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  const apply = () => {
    if (place) document.documentElement.dataset.theme = order[place];
    else delete document.documentElement.dataset.theme;
    $("theme").textContent = `Theme: ${order[place]}`;
  };
  $("theme").addEventListener("click", () => {
    place = (place + 1) % order.length;
    try {
      localStorage.setItem("segbench-theme", order[place]);
    } catch {
      // As above.
    }
    apply();
    drawPlot();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    drawPlot();
    drawCharts();
  });
  apply();
}

function buildFiles() {
  const lists = [
    ["Tables", [["table", "Every network"], ...(data.files.papers ?? []).map(([name, title]) => [`papers/${name}`, title])], ["md", "csv", "tex"]],
    ["Plots", (data.files.plots ?? []).map(([name, title]) => [`plots/${name}`, title]), data.files.formats ?? []],
  ];
  if (!data.files.plots) return;
  $("files").hidden = false;
  for (const [heading, items, suffixes] of lists) {
    if (!items.length) continue;
    const list = make("ul", {}, ...items.map(([name, title]) => make("li", {}, `${title}: `, ...suffixes.flatMap((suffix, place) => {
      const link = make("a", { href: `${encodeURI(name)}.${suffix}`, textContent: suffix });
      return place ? [" ", link] : [link];
    }))));
    $("file-lists").append(make("details", { class: "file-group" }, make("summary", { textContent: `${heading} (${items.length})` }), list));
  }
}

// The width of a landscape A4 page within its margins, in pixels.
const PRINTED_WIDTH = 1000;
const PRINTED_HEIGHT = 450;

function buildPrint() {
  const plots = () => document.querySelectorAll(".js-plotly-plot");
  const redraw = () => {
    drawPlot();
    drawCharts();
  };
  let theme;
  window.addEventListener("beforeprint", () => {
    theme = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
    drawTable(true);
    redraw();
    plots().forEach((element) => Plotly.relayout(element, { width: PRINTED_WIDTH, ...(element.id === "plot" ? { height: PRINTED_HEIGHT } : {}) }));
  });
  window.addEventListener("afterprint", () => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    drawTable();
    redraw();
  });
}

function start() {
  const { networks, records, failed, devices, dates, correlation } = data.summary;
  const parts = [`${networks} networks`, `${records} records`];
  if (failed) parts.push(`${failed} failed`);
  parts.push(devices.length ? devices.join("; ") : "speed not measured");
  if (dates.length) parts.push(dates.join(" to "));
  $("summary").textContent = parts.join(" \u00b7 ");
  $("made-by").textContent = `Made by segbench ${data.version}. Claimed figures are as papers print them; everything else was measured here. Sizes are height x width.`;
  [...data.footers, correlation].filter(Boolean).forEach((footer) => $("footers").append(make("li", { textContent: footer })));
  buildTheme();
  buildFilters();
  buildChooser();
  buildPager();
  buildPlot();
  buildCard();
  buildFiles();
  buildPrint();
  update();
  window.addEventListener("hashchange", openLinked);
  window.addEventListener("resize", fitTable);
  openLinked();
  document.documentElement.dataset.ready = "yes";
}

start();
