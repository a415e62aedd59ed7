// A network's card: claims, audit, stages, waterfall, environment.

let opener = null;
let charts = [];

function plainTable(headings, lines, numbers = [], unbroken = []) {
  const head = make("tr", {}, ...headings.map((heading, place) => make("th", { scope: "col", textContent: heading, class: numbers.includes(place) ? "number" : "" })));
  const body = lines.map((line) => make("tr", {}, ...line.map((value, place) => {
    const missing = empty(value) || value === DASH;
    const classes = [numbers.includes(place) ? "number" : "", unbroken.includes(place) ? "nowrap" : "", missing ? "empty" : ""];
    return make("td", { class: classes.join(" ").trim(), "data-label": headings[place], textContent: missing ? DASH : value });
  })));
  return make("div", { class: "inner-scroll" }, make("table", { class: "stack" }, make("thead", {}, head), make("tbody", {}, ...body)));
}

function facts(pairs) {
  const list = make("dl", { class: "facts" });
  pairs.filter(([, value]) => !empty(value)).forEach(([name, value]) => list.append(make("dt", { textContent: name }), make("dd", {}, value)));
  return list;
}

const quantities = { params: "Params (M)", macs: "FLOPs (G)", fps: "FPS", miou: "mIoU (%)" };

function openCard(name, from = document.activeElement) {
  const own = rows.filter((row) => row.network === name);
  if (!own.length) return;
  opener = from;
  const card = data.cards[name] ?? {};
  const [first] = own;
  const body = $("card-body");
  body.replaceChildren();
  $("card-title").textContent = name;
  const counted = own.find((row) => row.params !== null) ?? first;
  body.append(facts([
    ["Family", first.family],
    ["Paper", first.paper],
    ["Fidelity", first.fidelity ? `${first.fidelity}: ${data.fidelities[first.fidelity] ?? ""}` : "your own network"],
    ["Reference code", card.source],
    ["Parameters", counted.params === null ? "" : counted.params.toLocaleString("en")],
    ["Live parameters", card.live ? `${card.live.toLocaleString("en")} reach the output` : ""],
    ["Not counted", counted.uncounted],
    ["Note", card.note],
  ]));

  const severalClasses = new Set(own.map((row) => row.classes)).size > 1;
  const measuredRows = own.map((row) => [
    row.size, severalClasses ? String(row.classes) : "", row.batch === 1 ? "" : String(row.batch), row.macs === null ? "" : macs(row), row.fps === null ? "" : significant(row.fps),
    row.interval.length ? row.interval.map((end) => significant(end)).join(" to ") : "",
    row.latency === null ? "" : significant(row.latency), row.memory === null ? "" : significant(row.memory),
    row.energy === null ? "" : significant(row.energy), row.busy === null ? "" : percent(row.busy), row.bound,
    row.miou === null ? "" : `${row.miou.toFixed(1)} ${row.miouOn}`,
    row.conditions, row.failure,
  ]);
  const headings = ["Size", "Classes", "Batch", "MACs (G)", "FPS", "95 % interval", "Latency (ms)", "Memory (MiB)", "Energy (mJ)", "GPU busy", "Bound by", "mIoU (%)", "Conditions", "Failure"];
  const used = headings.map((_, place) => place).filter((place) => measuredRows.some((line) => line[place] !== ""));
  body.append(make("h3", { textContent: "Measured" }));
  body.append(plainTable(used.map((place) => headings[place]), measuredRows.map((line) => used.map((place) => line[place])),
    used.map((place, at) => (place >= 1 && place <= 9 ? at : -1)).filter((at) => at >= 0)));

  charts = [];
  for (const [size, stages] of card.stages ?? []) {
    body.append(make("h3", { textContent: `Where the MACs are, at ${size}` }));
    charts.push([body.appendChild(make("div", { class: "chart", role: "img", "aria-label": "MACs of each part; the figures are in the labels" })), stageFigure(stages)]);
  }
  for (const [title, steps] of card.waterfalls ?? []) {
    body.append(make("h3", { textContent: `FPS as each switch is applied (${title})` }));
    charts.push([body.appendChild(make("div", { class: "chart", role: "img", "aria-label": "FPS after each switch; the figures are in the labels" })), waterfallFigure(steps)]);
  }
  if (card.claims) {
    body.append(make("h3", { textContent: "What papers print, and what was measured" }));
    const withVerdict = card.claims.some((line) => line[9]);
    const lines = card.claims.map((line) => [`${line[0]} ${line[1]}`, [line[2], line[3]].filter(Boolean).join(", "), line[4], quantities[line[5]], line[6], line[7], line[8], ...(withVerdict ? [line[9]] : [])]);
    body.append(plainTable(["Printed in", "Data set, size", "GPU", "Quantity", "Claimed", "Measured", "Ratio", ...(withVerdict ? ["Audit"] : [])], lines, [4, 5, 6], [0, 3]));
  }
  if (card.rules) {
    const rules = [...new Set(card.rules.flatMap(([, , counts]) => Object.keys(counts)))];
    body.append(make("h3", { textContent: "Operations under each counting rule (G)" }));
    const lines = card.rules.map(([size, classes, counts]) => [`${size}, ${classes} classes`, ...rules.map((rule) => (counts[rule] === undefined ? "" : scaled(1e9)(counts[rule])))]);
    const unique = [...new Map(lines.map((line) => [line.join("|"), line])).values()];
    body.append(plainTable(["Size", ...rules], unique, rules.map((_, place) => place + 1)));
    const meanings = rules.filter((rule) => data.rules[rule]).map((rule) => `${rule}: ${data.rules[rule]}`);
    body.append(make("p", { class: "note", textContent: meanings.join("; ") }));
  }
  if (card.checkpoints) {
    body.append(make("h3", { textContent: "Released checkpoints" }));
    body.append(plainTable(["Where", "Data set", "Classes", "Claimed mIoU (%)"], card.checkpoints.map((line) => line.map(String)), [2, 3]));
  }
  if (card.notes) {
    body.append(make("h3", { textContent: "Notes" }), make("ul", {}, ...card.notes.map((note) => make("li", { textContent: note }))));
  }
  const environments = new Map(own.map((row) => [JSON.stringify(row.environment), row]));
  environments.forEach((row) => {
    const pairs = flat(row.environment);
    if (!pairs.length) return;
    const title = `Environment${environments.size > 1 ? ` of ${[row.conditions, row.date].filter(Boolean).join(", ")}` : ""}`;
    body.append(make("h3", { textContent: title }), facts([...pairs, ["date", row.date]]));
  });
  document.body.classList.add("card-open");
  if (!$("card").open) $("card").showModal();
  $("card").scrollTop = 0;
  drawCharts();
  history.replaceState(null, "", `#network=${encodeURIComponent(name)}`);
}

function flat(content, prefix = "") {
  return Object.entries(content ?? {}).flatMap(([key, value]) => {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) return flat(value, `${prefix}${key}.`);
    return empty(value) ? [] : [[`${prefix}${key}`, Array.isArray(value) ? value.join(", ") : String(value)]];
  });
}

const shorten = (name, length) => (name.length > length ? `${name.slice(0, length - 3)}...` : name);

const share = (macs, total) => `${scaled(1e9)(macs)} G, ${macs / total < 0.005 ? "under 1" : Math.round((100 * macs) / total)} %`;

function stageFigure(stages) {
  const total = stages.reduce((sum, [, , macs]) => sum + macs, 0);
  return {
    names: stages.map(([path, type]) => (type ? `${path} (${type})` : path)),
    values: stages.map(([, , macs]) => macs / 1e9),
    labels: stages.map(([, , macs, params]) => `${share(macs, total)}; ${scaled(1e6)(params)} M params`),
    short: stages.map(([, , macs]) => share(macs, total)),
    colours: () => stages.map(() => data.palette[0]),
    axis: "MACs (G)",
  };
}

function waterfallFigure(steps) {
  return {
    names: steps.map(([name]) => name),
    values: steps.map(([, fps]) => fps),
    labels: steps.map(([, fps, factor, kept]) => `${significant(fps)}${factor ? `, \u00d7${factor.toFixed(2)}` : ""}${kept ? "" : ", not kept"}`),
    colours: () => steps.map(([, , factor]) => (!factor ? colour("--dominated") : factor >= 1 ? data.palette[2] : data.palette[1])),
    axis: "FPS; green gains, orange costs",
  };
}

function drawCharts() {
  charts.forEach(([element, figure]) => drawChart(element, figure));
}

function drawChart(element, figure) {
  const narrow = element.clientWidth < 560;
  const names = figure.names.map((name) => shorten(name, narrow ? 18 : 40));
  const labels = (narrow && figure.short) || figure.labels;
  // The longest bar ends where its label still has room: a letter is about 0.6 of its size wide.
  const wide = element.clientWidth - 40 - 0.62 * (narrow ? 11 : 13) * Math.max(...names.map((name) => name.length));
  const letter = 0.62 * (narrow ? 10 : 12);
  const end = Math.max(...figure.values.map((value, place) => (value * wide) / Math.max(wide - letter * (labels[place].length + 1), wide / 4)));
  const places = figure.names.map((_, place) => place);
  element.style.height = `${figure.names.length * 30 + 66}px`;
  Plotly.newPlot(element, [{
    type: "bar", orientation: "h", x: figure.values, y: places, marker: { color: figure.colours() },
    text: labels.map(inert), textposition: "outside", cliponaxis: false, textfont: { size: narrow ? 10 : 12 },
    hovertext: figure.names.map((name, place) => `${inert(name)}<br>${inert(figure.labels[place])}`), hovertemplate: "%{hovertext}<extra></extra>",
  }], {
    paper_bgcolor: colour("--paper"), plot_bgcolor: colour("--paper"), font: { family: "system-ui, sans-serif", size: narrow ? 11 : 13, color: colour("--ink") },
    margin: { l: 10, r: 12, t: 4, b: 46 }, showlegend: false, bargap: 0.3, dragmode: false,
    xaxis: { title: { text: figure.axis, standoff: 6 }, gridcolor: colour("--grid"), zeroline: false, range: [0, end] },
    yaxis: { tickvals: places, ticktext: names.map(inert), autorange: "reversed", automargin: true, ticklabelstandoff: 6 },
  }, { ...plotConfig, displayModeBar: false });
}

function buildCard() {
  $("close").addEventListener("click", () => $("card").close());
  $("card").addEventListener("click", (event) => {
    if (event.target === $("card")) $("card").close();
  });
  $("card").addEventListener("close", () => {
    document.body.classList.remove("card-open");
    charts.forEach(([element]) => Plotly.purge(element));
    charts = [];
    history.replaceState(null, "", location.pathname + location.search);
    if (opener && opener.isConnected) opener.focus();
  });
}

function openLinked() {
  const found = /^#network=(.+)$/.exec(location.hash);
  if (!found) return;
  try {
    openCard(decodeURIComponent(found[1]));
  } catch {
    // A link that is no name opens nothing.
  }
}
