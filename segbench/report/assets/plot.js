// Accuracy against cost: what plotly draws, and its axes.

// A row's points: data set, size, mIoU, whether it was measured, split, paper, printed costs.
const axes = [
  { key: "fps", label: "FPS", title: "FPS", more: true, timed: true, value: (row) => row.fps, claimed: "fps" },
  { key: "latency", label: "Latency", title: "Median latency (ms)", timed: true, value: (row) => row.latency },
  { key: "params", label: "Parameters", sizeless: true, title: "Parameters (M)", value: (row) => row.params && row.params / 1e6, claimed: "params" },
  { key: "macs", label: "MACs", title: "MACs (G)", value: (row) => row.batch === 1 && row.macs && row.macs / 1e9, claimed: "macs" },
  { key: "energy", label: "Energy of a frame", title: "Energy of a frame (mJ)", timed: true, value: (row) => row.energy },
  { key: "memory", label: "Peak memory", title: "Peak memory (MiB)", timed: true, value: (row) => row.memory },
  { key: "busy", label: "GPU busy", title: "Share of time with the GPU busy", more: true, timed: true, value: (row) => row.busy },
].filter((axis) => rows.some((row) => axis.value(row) > 0));
const mIoU = { key: "miou", label: "mIoU", title: "mIoU (%)", more: true };
const NO_SIZE = "size not printed";
const groups = new Map();
for (const row of rows) {
  for (const point of row.points) {
    const key = `${point[0]}, ${point[1]}`;
    groups.set(key, (groups.get(key) ?? 0) + 1);
  }
}

function buildPlot() {
  const sorted = [...groups.keys()].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  sorted.forEach((key) => $("group").append(make("option", { value: key, textContent: `${key} (${groups.get(key)})` })));
  $("group").append(make("option", { value: "", textContent: "every network, no mIoU" }));
  const weight = (key) => groups.get(key) - (key.endsWith(NO_SIZE) ? rows.length : 0);
  $("group").value = sorted.reduce((best, key) => (best === "" || weight(key) > weight(best) ? key : best), "");
  axes.forEach((axis) => $("x-axis").append(make("option", { value: axis.key, textContent: axis.label })));
  [...(sorted.length ? [mIoU] : []), ...axes].forEach((axis) => $("y-axis").append(make("option", { value: axis.key, textContent: axis.label })));
  if (!sorted.length && axes.length > 1) $("y-axis").value = axes[1].key;
  for (const id of ["group", "x-axis", "y-axis", "timing", "log", "claimed"]) {
    $(id).addEventListener("change", () => {
      if (id === "group" && !$("group").value && $("y-axis").value === "miou") {
        $("y-axis").value = (axes.find((axis) => axis.key !== $("x-axis").value) ?? axes[0]).key;
      }
      if (id === "y-axis" && $("y-axis").value === "miou" && !$("group").value) $("group").value = sorted[0] ?? "";
      drawPlot();
    });
  }
  $("plot").closest("section").hidden = !axes.length;
}

// What plotly shows as text is a dialect of HTML.
const inert = (value) => String(value).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Timings under different conditions are not compared: the plot shows those under one, which can be chosen.
function timingShown(xAxis, yAxis) {
  const found = xAxis.timed || yAxis.timed ? [...new Set(visible.map((row) => row.conditions).filter(Boolean))] : [];
  const chosen = found.includes($("timing").value) ? $("timing").value : found[0] ?? "";
  $("timing").replaceChildren(...found.map((value) => make("option", { value, textContent: value })));
  $("timing").value = chosen;
  $("timing-field").hidden = found.length < 2;
  return chosen;
}

function gather(xAxis, yAxis, timing) {
  const group = $("group").value;
  const points = [];
  const seen = new Set();
  for (const row of visible) {
    const x = xAxis.value(row);
    if (!(x > 0) || timing && row.conditions !== timing) continue;
    if (!group) {
      const y = yAxis.value(row);
      const key = [row.network, row.size, row.classes, x, y].join("|");
      if (y > 0 && !seen.has(key)) points.push({ row, x, y, label: `${row.network} ${row.size}`, hollow: [], family: row.family });
      seen.add(key);
      continue;
    }
    for (const [dataset, size, miou, measured, split, paper, costs] of row.points) {
      if (`${dataset}, ${size}` !== group) continue;
      const y = yAxis === mIoU ? miou : yAxis.value(row);
      if (!(y > 0)) continue;
      const key = [row.network, x, y, measured, measured ? row.miouOn : "", paper].join("|");
      if (seen.has(key)) continue;
      seen.add(key);
      const hollow = yAxis === mIoU && xAxis.claimed ? costs[xAxis.claimed] ?? [] : [];
      points.push({ row, x, y, measured, split, paper, hollow, label: row.network, family: row.family });
    }
  }
  return points;
}

function frontier(points, xAxis, yAxis) {
  const [across, up] = [xAxis.more ? 1 : -1, yAxis.more ? 1 : -1];
  const order = [...points].sort((a, b) => across * (b.x - a.x) || up * (b.y - a.y));
  const best = [];
  let height = -Infinity;
  for (const point of order) {
    const last = best[best.length - 1];
    if (up * point.y > height || (last && last.x === point.x && last.y === point.y)) {
      best.push(point);
      height = up * point.y;
    }
  }
  return best;
}

function hover(point, xAxis, yAxis) {
  const row = point.row;
  const lines = [`<b>${inert(point.label)}</b>`, `${inert(row.family)}${row.fidelity ? `, ${inert(row.fidelity)}` : ""}; ${row.classes} classes`];
  if (point.split !== undefined) {
    const on = point.measured ? `, ${inert(row.miouOn)}` : point.split ? `, ${inert(point.split)} split` : "";
    lines.push(`mIoU ${point.y} ${point.measured ? "measured" : "claimed"}${point.paper ? ` in ${inert(point.paper)}` : ""}${on}`);
  } else {
    lines.push(`${inert(yAxis.title)}: ${significant(point.y)}`);
  }
  lines.push(`${inert(xAxis.title)}: ${significant(point.x)}`);
  if (row.params) lines.push(`${scaled(1e6)(row.params)} M params, ${row.macs ? `${macs(row)} G MACs` : "MACs not counted"}`);
  if (row.device && (xAxis.timed || yAxis.timed)) lines.push(inert(row.conditions));
  return lines.join("<br>");
}

// 1, 2 and 5 of each decade, written in full; fewer where they would run together.
function ticks(values, most) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const steps = high / low > most ? [1] : [1, 2, 5];
  const found = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.log10(high) + 1; power += 1) {
    steps.forEach((step) => found.push(Number(`${step}e${power}`)));
  }
  const inside = found.filter((value) => value > low / 1.6 && value < high * 1.6);
  const shown = inside.length > 1 ? inside : found;
  return { tickmode: "array", tickvals: shown, ticktext: shown.map((value) => String(value)) };
}

function clearPlot(why) {
  Plotly.purge($("plot"));
  delete $("plot").dataset.ready;
  $("plot").hidden = true;
  $("plot-note").textContent = why;
  $("frontier").replaceChildren();
}

// Labels that would run into each other are left out: pointing at a network names it, and so does the list below.
function withRoom(points, drawn, across, up, wide, high) {
  const range = (values) => values.reduce(([low, top], value) => [Math.min(low, value), Math.max(top, value)], [Infinity, -Infinity]);
  const [left, right] = range(drawn.map(across));
  const [bottom, top] = range(drawn.map(up));
  const [width, height] = [right - left || 1, top - bottom || 1];
  const placed = [];
  return [...points].sort((a, b) => b.y - a.y).filter((point) => {
    const x = ((across(point) - left) / width) * wide;
    const y = ((up(point) - bottom) / height) * high;
    const half = 3.4 * Math.min(point.label.length, 34);
    const clear = placed.every((other) => Math.abs(other.y - y) > 16 || Math.abs(other.x - x) > other.half + half);
    if (clear) placed.push({ x, y, half });
    return clear;
  });
}

function drawPlot() {
  if (!axes.length) return;
  const xAxis = axes.find((axis) => axis.key === $("x-axis").value) ?? axes[0];
  const yAxis = $("y-axis").value === "miou" ? mIoU : axes.find((axis) => axis.key === $("y-axis").value);
  const timing = timingShown(xAxis, yAxis);
  const points = gather(xAxis, yAxis, timing);
  if (!points.length) {
    clearPlot("No network that passes the filters has both figures here.");
    return;
  }
  $("plot").hidden = false;
  const best = frontier(points, xAxis, yAxis);
  const front = new Set(best);
  const [ink, muted, dominated, grid, paper] = ["--ink", "--muted", "--dominated", "--grid", "--paper"].map(colour);
  const narrow = $("plot").clientWidth < 620;
  const traces = [];
  const claimedShown = $("claimed").checked;

  if (claimedShown) {
    const lines = { x: [], y: [] };
    const rings = { x: [], y: [], text: [] };
    for (const point of points) {
      for (const x of point.hollow) {
        lines.x.push(point.x, x, null);
        lines.y.push(point.y, point.y, null);
        rings.x.push(x);
        rings.y.push(point.y);
        rings.text.push(`<b>${inert(point.label)}</b><br>${inert(point.paper)} prints ${inert(xAxis.title)} ${x}`);
      }
    }
    if (yAxis === mIoU && xAxis.claimed && xAxis.key !== "fps") {
      for (const [name, dataset, size, miou, split, key, costs] of data.peers) {
        if (`${dataset}, ${size}` !== $("group").value || !peerPasses(name, key)) continue;
        for (const x of costs[xAxis.claimed] ?? []) {
          rings.x.push(x);
          rings.y.push(miou);
          rings.text.push(`<b>${inert(name)}</b>, not built here<br>${inert(key)} prints mIoU ${miou}${split ? ` (${inert(split)})` : ""}, ${inert(xAxis.title)} ${x}`);
        }
      }
    }
    if (rings.x.length) {
      traces.push({ ...lines, mode: "lines", line: { color: muted, width: 1 }, hoverinfo: "skip", showlegend: false });
      traces.push({
        ...rings, mode: "markers", name: "as a paper claims it", hovertemplate: "%{text}<extra></extra>",
        marker: { symbol: "circle-open", size: 12, color: muted, line: { width: 1.2 } },
      });
    }
  }
  if (best.length) {
    const path = [...best].sort((a, b) => a.x - b.x);
    // Between two of its points the frontier is as good as the one that is no worse across.
    const shape = xAxis.more ? "vh" : "hv";
    traces.push({
      x: path.map((point) => point.x), y: path.map((point) => point.y), mode: "lines", name: "Pareto frontier",
      line: { color: ink, width: 1.2, shape }, hoverinfo: "skip",
    });
  }
  const families = new Map();
  for (const point of points) families.set(point.family, [...(families.get(point.family) ?? []), point]);
  for (const [family, members] of families) {
    const [symbol, tint] = data.looks[family];
    for (const ranked of [false, true]) {
      const own = members.filter((point) => front.has(point) === ranked);
      if (!own.length) continue;
      const shade = ranked ? tint : dominated;
      traces.push({
        x: own.map((point) => point.x), y: own.map((point) => point.y), mode: "markers", name: inert(family), zorder: ranked ? 2 : 1,
        // Of many families the legend names those on the frontier; pointing at a network names its family.
        showlegend: !narrow && (ranked || (families.size <= 12 && !members.some((point) => front.has(point)))),
        customdata: own.map((point) => point.row.network),
        text: own.map((point) => hover(point, xAxis, yAxis)), hovertemplate: "%{text}<extra></extra>",
        error_x: xAxis.key === "fps" && own.some((point) => point.row.interval.length) ? {
          type: "data", symmetric: false, thickness: 1, width: 2, color: shade,
          array: own.map((point) => Math.max((point.row.interval[1] ?? point.x) - point.x, 0)),
          arrayminus: own.map((point) => Math.max(point.x - (point.row.interval[0] ?? point.x), 0)),
        } : undefined,
        marker: {
          symbol, size: ranked ? 11 : 9, color: shade, opacity: 1,
          line: { color: own.map((point) => (point.measured ? ink : paper)), width: own.map((point) => (point.measured ? 2 : 0.6)) },
        },
      });
    }
  }
  if (best.length < points.length && !narrow) {
    traces.push({ x: [null], y: [null], mode: "markers", name: "dominated", hoverinfo: "skip", marker: { symbol: "circle", size: 9, color: dominated } });
  }
  const values = traces.flatMap((trace) => trace.x).filter((value) => value > 0);
  const log = $("log").checked && Math.max(...values) > 4 * Math.min(...values);
  const upLog = yAxis !== mIoU && $("log").checked;
  const across = (point) => (log ? Math.log10(point.x) : point.x);
  const up = (point) => (upLog ? Math.log10(point.y) : point.y);
  const room = [$("plot").clientWidth - (narrow ? 80 : 260), $("plot").clientHeight - (narrow ? 150 : 110)];
  const drawn = traces.flatMap((trace) => trace.x.map((x, place) => ({ x, y: trace.y[place] }))).filter((point) => point.x > 0 && point.y > 0);
  const labelled = best.length <= 40 ? withRoom(best, drawn, across, up, ...room) : [];
  const layout = {
    paper_bgcolor: paper, plot_bgcolor: paper, font: { family: "system-ui, sans-serif", size: narrow ? 11 : 13, color: ink },
    title: { text: inert($("group").value || "every network and size"), x: 0, xref: "paper", xanchor: "left", y: 1, yref: "paper", yanchor: "bottom", pad: { b: 10 }, font: { size: narrow ? 12 : 14 } },
    margin: { l: narrow ? 46 : 64, r: 20, t: narrow ? 34 : 40, b: narrow ? 80 : 60 },
    xaxis: { title: { text: xAxis.title, standoff: 8 }, type: log ? "log" : "linear", gridcolor: grid, linecolor: muted, zeroline: false, automargin: true, ...(log ? ticks(values, narrow ? 30 : 400) : {}) },
    yaxis: { title: { text: yAxis.title, standoff: 8 }, type: upLog ? "log" : "linear", gridcolor: grid, linecolor: muted, zeroline: false, automargin: true, ...(upLog ? ticks(drawn.map((point) => point.y), 400) : {}) },
    legend: narrow ? { orientation: "h", y: -0.2 } : { font: { size: 12 } },
    hovermode: "closest", dragmode: narrow ? false : "zoom",
    hoverlabel: { align: "left", bgcolor: paper, bordercolor: muted, font: { color: ink, size: 13 } },
    shapes: xAxis.key === "fps" ? [{ type: "line", x0: REAL_TIME_FPS, x1: REAL_TIME_FPS, yref: "paper", y0: 0, y1: 1, line: { color: muted, width: 1, dash: "dash" } }] : [],
    annotations: [
      ...(xAxis.key === "fps" ? [{ x: log ? Math.log10(REAL_TIME_FPS) : REAL_TIME_FPS, y: 0, yref: "paper", text: "real time: 30 FPS", showarrow: false, xanchor: "left", yanchor: "bottom", xshift: 4, font: { size: 11, color: muted } }] : []),
      ...labelled.map((point) => ({
        x: across(point), y: up(point),
        text: inert(point.label.length > 34 ? `${point.label.slice(0, 33)}...` : point.label), showarrow: false, yshift: 13, font: { size: 11, color: ink },
      })),
    ],
  };
  Plotly.react($("plot"), traces, layout, { ...plotConfig, displayModeBar: !narrow }).then(() => {
    if ($("plot").dataset.ready) return;
    $("plot").dataset.ready = "yes";
    $("plot").on("plotly_click", (event) => {
      const name = event.points[0].customdata;
      if (name) openCard(name);
    });
  });
  const split = new Set(points.filter((point) => point.split !== undefined && !point.measured).map((point) => point.split || "not printed"));
  const notes = [`${points.length} ${points.length === 1 ? "point" : "points"}`];
  if (timing) notes.push(`timed on ${timing}`);
  if (yAxis === mIoU && split.size) notes.push(`claimed mIoU, split: ${[...split].sort().join(", ")}`);
  const on = new Set(points.filter((point) => point.measured).map((point) => point.row.miouOn));
  if (on.size) notes.push(`a dark rim marks a measured mIoU: ${[...on].sort().join(" or ")}`);
  if (best.length < points.length) notes.push("dominated networks are grey");
  notes.push("the frontier is of measured costs");
  $("plot-note").textContent = `${notes.join("; ")}.`;
  listFrontier(best);
}

const plotConfig = {
  responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], toImageButtonOptions: { format: "svg", filename: "segbench" },
};

function listFrontier(best) {
  const shown = [...best].sort((a, b) => a.x - b.x).slice(0, 60);
  const parts = shown.flatMap((point, place) => {
    const button = make("button", { type: "button", class: "link", textContent: point.label });
    button.addEventListener("click", () => openCard(point.row.network, button));
    return place ? [", ", button] : [button];
  });
  $("frontier").replaceChildren("On the frontier: ", ...parts);
}
