// Accuracy against cost: what plotly draws.

const REAL_TIME_FPS = 30;
const NO_SIZE = "size not printed";
const LONGEST_LABEL = 34;
const NOTHING = "No network has both figures here.";

// What plotly shows as text is a dialect of HTML.
const inert = (value) => String(value).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const mIoU = { key: "miou", axis: "mIoU (%)", more: true };
const upAxis = () => columns.get($("up").value === "miou" ? "" : $("up").value) ?? mIoU;

// Timings under different conditions are not compared: the plot shows those asked for, or else the first.
function timingShown() {
  if (!cost().timed && !upAxis().timed) return "";
  return timing() || timings[0] || "";
}

// A mIoU whose size is not printed stands at no size's cost: only parameters are the same at every size.
const sizeless = (group) => group.endsWith(NO_SIZE) && upAxis() === mIoU && cost().key !== "params";

function gather(group) {
  const [x, up, timing, found] = [cost().key, upAxis(), timingShown(), new Map()];
  for (const row of sizeless(group) ? [] : pool()) {
    if (!(row[x] > 0) || (timing && row.conditions !== timing) || (x === "macs" && row.batch !== 1)) continue;
    const places = group ? row.points.filter(([panel, size]) => `${panel}, ${size}` === group) : [[]];
    for (const [, , miou, measured, split, paper, costs] of places) {
      const label = group ? row.title : `${row.title} ${row.size}`;
      const point = { row, x: row[x], y: row[up.key], label, printed: [] };
      if (up === mIoU) Object.assign(point, { y: miou, measured, split, paper, printed: costs[x] ?? [] });
      const of = point.measured ? row.miouOn : point.paper;
      const key = [row.network, row.classes, group || row.size, point.x, point.y, of].join("|");
      if (point.y > 0 && !found.has(key)) found.set(key, point);
    }
  }
  return [...found.values()];
}

function frontier(points) {
  const [across, up] = [cost().more ? 1 : -1, upAxis().more ? 1 : -1];
  const order = [...points].sort((a, b) => across * (b.x - a.x) || up * (b.y - a.y));
  const best = [];
  for (const point of order) {
    const last = best.at(-1);
    if (!last || up * point.y > up * last.y || (last.x === point.x && last.y === point.y)) best.push(point);
  }
  return best.sort((a, b) => a.x - b.x);
}

function hover({ row, x, y, label, measured, split, paper }) {
  const printed = [paper === "self-reported" ? paper : `claimed in ${paper}`, split && `${split} split`];
  const on = measured ? `measured, ${row.miouOn}` : printed.filter(Boolean).join(", ");
  return [
    `<b>${inert(label)}</b>`,
    inert(`${[row.family, row.fidelity].filter(Boolean).join(", ")}; ${row.classes} classes, ${row.size}`),
    upAxis() === mIoU ? inert(`mIoU ${y} ${on}`) : `${upAxis().axis}: ${upAxis().show(y)}`,
    `${cost().axis}: ${cost().show(x)}`,
    ...(cost().timed || upAxis().timed ? [inert(row.conditions)] : []),
  ].join("<br>");
}

// Labels that would run into each other or over a point are left out: pointing at a network names it.
function labelled(wanted, points, [wide, high]) {
  const drawn = points.flatMap((point) => [point, ...point.printed.map((x) => ({ x, y: point.y }))]);
  const scale = (log) => (value) => (log ? Math.log10(value) : value);
  const place = (key, log, room) => {
    const values = drawn.map((point) => scale(log)(point[key]));
    const [low, top] = [Math.min(...values), Math.max(...values)];
    return (point) => ((scale(log)(point[key]) - low) / (top - low || 1)) * room;
  };
  const [x, y] = [place("x", checked("log"), wide), place("y", checked("log") && upAxis() !== mIoU, high)];
  const taken = drawn.map((point) => ({ point, x: x(point), y: y(point), half: 5 }));
  return new Set(wanted.filter((point) => {
    const label = { x: x(point), y: y(point) + 15, half: 3.5 * Math.min(point.label.length, LONGEST_LABEL) };
    const clear = taken.every((other) => other.point === point ||
      Math.abs(other.y - label.y) > 13 || Math.abs(other.x - label.x) > other.half + label.half);
    if (clear) taken.push(label);
    return clear;
  }));
}

// What papers print for a point, joined to it by a line, and the networks that are printed and not built here.
function printedTraces(points, lit) {
  const [lines, rings] = [{ x: [], y: [] }, { x: [], y: [], hovertext: [] }];
  const ring = (x, y, text) => {
    rings.x.push(x);
    rings.y.push(y);
    rings.hovertext.push(inert(`${text} ${cost().axis} ${x}`));
  };
  for (const point of points.filter(({ row }) => lit(row))) {
    for (const x of point.printed) {
      lines.x.push(point.x, x, null);
      lines.y.push(point.y, point.y, null);
      ring(x, point.y, `${point.label}: ${point.paper} prints`);
    }
  }
  const asked = words();
  for (const [name, dataset, size, miou, split, paper, costs] of narrowed() && !asked.length ? [] : data.peers) {
    const named = asked.every((word) => `${name} ${paper}`.toLowerCase().includes(word));
    const here = `${dataset}, ${size}` === $("group").value && upAxis() === mIoU && !sizeless($("group").value);
    for (const x of (here && named && costs[cost().key]) || []) {
      ring(x, miou, `${name}, not built here: ${paper} prints mIoU ${miou} ${split},`);
    }
  }
  const muted = colour("--muted");
  return rings.x.length ? [
    { ...lines, mode: "lines", line: { color: muted, width: 1 }, hoverinfo: "skip", showlegend: false },
    {
      ...rings, mode: "markers", name: "as a paper claims it", hovertemplate: "%{hovertext}<extra></extra>",
      marker: { symbol: "circle-open", size: 12, color: muted, line: { width: 1.2 } },
    },
  ] : [];
}

function familyTraces(points, front, lit, named, crowded) {
  const [ink, paper] = [colour("--ink"), colour("--paper")];
  return Object.entries(Object.groupBy(points, ({ row }) => row.family)).map(([family, own]) => {
    const [symbol, color] = data.looks[family];
    const ends = own.map(({ row, x }) => (cost().key === "fps" && row.interval.length ? row.interval : [x, x]));
    return {
      x: own.map((point) => point.x), y: own.map((point) => point.y), name: inert(family), mode: "markers+text",
      text: own.map((point) => (named.has(point) ? inert(point.label.slice(0, LONGEST_LABEL)) : "")),
      textposition: "top center", textfont: { size: 11, color: ink }, cliponaxis: false,
      customdata: own.map(({ row }) => row.id), hovertext: own.map(hover), hovertemplate: "%{hovertext}<extra></extra>",
      // Of many families the legend names those on the frontier; pointing at a network names its family.
      showlegend: !crowded || own.some((point) => front.has(point)),
      error_x: ends.some(([low, high]) => low !== high) ? {
        type: "data", symmetric: false, thickness: 1, width: 2, color,
        array: own.map(({ x }, at) => Math.max(ends[at][1] - x, 0)),
        arrayminus: own.map(({ x }, at) => Math.max(x - ends[at][0], 0)),
      } : undefined,
      marker: {
        symbol, color, size: own.map(({ row }) => (ticked.has(row.id) || row.fidelity === "own" ? 15 : 10)),
        opacity: own.map((point) => (!lit(point.row) ? 0.12 : front.has(point) ? 1 : 0.55)),
        line: {
          color: own.map(({ measured }) => (measured ? ink : paper)),
          width: own.map(({ measured }) => (measured ? 2 : 0.6)),
        },
      },
    };
  });
}

function layout(narrow, points) {
  const [ink, muted, grid, paper] = ["--ink", "--muted", "--grid", "--paper"].map(colour);
  const axis = (column, key, log) => {
    const values = points.map((point) => point[key]);
    const spread = Math.max(...values) / Math.min(...values);
    // 1, 2 and 5 of each decade, fewer or what plotly finds where these would be too many or too few.
    const dtick = !log || spread < 4 ? undefined : spread > 400 ? 1 : "D2";
    return {
      title: { text: column.axis, standoff: 8 }, type: log ? "log" : "linear", tickformat: "~r", dtick,
      gridcolor: grid, linecolor: muted, zeroline: false, automargin: true,
    };
  };
  const log = checked("log");
  const real = cost().key === "fps" ? [{ x: REAL_TIME_FPS, xref: "x", yref: "paper" }] : [];
  return {
    paper_bgcolor: paper, plot_bgcolor: paper,
    font: { family: "system-ui, sans-serif", size: narrow ? 11 : 13, color: ink },
    title: {
      text: inert($("group").value || "every network and size"), font: { size: 14 },
      x: 0, xref: "paper", xanchor: "left",
    },
    margin: { l: narrow ? 46 : 64, r: 20, t: 44, b: narrow ? 90 : 60 },
    xaxis: axis(cost(), "x", log), yaxis: axis(upAxis(), "y", log && upAxis() !== mIoU),
    legend: narrow ? { orientation: "h", y: -0.22, font: { size: 10 } } : { font: { size: 12 } },
    hovermode: "closest", dragmode: narrow ? false : "zoom",
    hoverlabel: { align: "left", bgcolor: paper, bordercolor: muted, font: { color: ink, size: 13 } },
    shapes: real.map((line) => ({
      ...line, type: "line", x0: line.x, x1: line.x, y0: 0, y1: 1, line: { color: muted, width: 1, dash: "dash" },
    })),
    annotations: real.map((line) => ({
      ...line, x: log ? Math.log10(line.x) : line.x, y: 0, xanchor: "left", yanchor: "bottom", xshift: 4,
      text: "real time: 30 FPS", showarrow: false, font: { size: 11, color: muted },
    })),
  };
}

function drawPlot() {
  if (!cost()) return;
  [...$("group").options].forEach((option) => { option.disabled = sizeless(option.value); });
  const [points, lit] = [gather($("group").value), highlighted(passing())];
  const bright = points.filter(({ row }) => lit(row));
  $("plot").hidden = $("svg").disabled = !points.length;
  const best = frontier(checked("only") ? bright : points);
  describe(points, bright, best);
  if (!points.length) return;
  const [narrow, front] = [$("plot").clientWidth < 620, new Set(best)];
  const marked = bright.filter(({ row }) => ticked.has(row.id) || row.fidelity === "own");
  const asked = bright.length < points.length && bright.length <= 12 ? bright : [];
  const room = [$("plot").clientWidth - (narrow ? 80 : 260), $("plot").clientHeight - 130];
  const named = labelled([...new Set([...marked, ...asked, ...best])], points, room);
  const line = {
    x: best.map((point) => point.x), y: best.map((point) => point.y),
    mode: "lines", name: "Pareto frontier", hoverinfo: "skip",
    // Between two of its points the frontier is as good as the one that is no worse across.
    line: { color: colour("--ink"), width: 1.2, shape: cost().more ? "vh" : "hv" },
  };
  const crowded = narrow || new Set(points.map(({ row }) => row.family)).size > 12;
  const printed = checked("rings") ? printedTraces(points, lit) : [];
  const traces = [...printed, line, ...familyTraces(points, front, lit, named, crowded)];
  // Not `react`, which loses some of the names where traces come and go.
  Plotly.newPlot($("plot"), traces, layout(narrow, points), { responsive: true, displayModeBar: false });
  $("plot").on("plotly_click", (event) => {
    const row = byId.get(event.points[0].customdata);
    // Once the click is over: it is beside the card, and would close it again.
    if (row) setTimeout(() => openCard(row));
  });
}

function describe(points, bright, best) {
  const notes = [`${several(points.length, "point")} in ${$("group").value || "all sizes"}`];
  if (bright.length < points.length) {
    notes.push(bright.length ? `${bright.length} highlighted` : "none of those asked for is among them");
  }
  if (timingShown()) notes.push(`timed on ${timingShown()}`);
  const splits = new Set(points.filter((point) => point.paper).map(({ split }) => split || "not printed"));
  if (splits.size) notes.push(`claimed mIoU, split: ${[...splits].sort().join(", ")}`);
  if (points.some((point) => point.measured)) notes.push("a thick rim marks a measured mIoU");
  notes.push(`the frontier is of measured costs${checked("only") ? " of the highlighted" : ""}`);
  if (best.length < points.length) notes.push("dominated networks are paler");
  const why = sizeless($("group").value) ? "An mIoU whose size is not printed stands only beside parameters." : NOTHING;
  $("plot-note").textContent = points.length ? `${notes.join("; ")}.` : why;
  const buttons = best.slice(0, 60).flatMap(({ row, label }, at) =>
    [" ", make("span", { class: "nowrap" }, openButton(row, label), at + 1 < best.length ? "," : "")]);
  $("frontier").replaceChildren(...(best.length ? ["On the frontier:", ...buttons] : []));
}

// Shows the data set and size with most points of what was asked for, those without a size only if no other has any.
function settleGroup(found) {
  const lit = highlighted(found);
  const weight = (group) => gather(group).filter(({ row }) => lit(row)).length * (group.endsWith(NO_SIZE) ? 0.001 : 1);
  const groups = [...$("group").options].map((option) => option.value).filter(Boolean);
  const [most] = groups.map((group) => [weight(group), group]).sort(([one], [other]) => other - one);
  if (most?.[0]) $("group").value = most[1];
}

function unseen(found) {
  const lit = highlighted(found);
  return !gather($("group").value).some(({ row }) => lit(row));
}
