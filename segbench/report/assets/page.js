"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const DASH = "-";
  const REAL_TIME_FPS = 30;
  const MOST_PRINTED = 3000;

  // ---------------------------------------------------------------- data

  const interned = new Set(Object.keys(data.names));
  const rows = data.rows.map((values, place) => {
    const row = { place };
    data.fields.forEach((field, index) => {
      row[field] = interned.has(field) ? data.names[field][values[index]] : values[index];
    });
    row.size = `${row.height}x${row.width}`;
    row.text = [row.network, row.family, row.paper, row.fidelity, row.device, row.failure, row.printedIn.join(" ")]
      .join(" ").toLowerCase();
    return row;
  });

  function significant(value, digits = 3) {
    if (value === 0) return "0";
    const text = Number(value.toPrecision(digits));
    const whole = Math.floor(Math.log10(Math.abs(text))) + 1;
    return text.toFixed(Math.max(digits - whole, 0));
  }
  const scaled = (unit) => (value) => {
    const number = value / unit;
    return number >= 0.1 ? number.toFixed(2) : significant(number, 2);
  };
  const percent = (value) => `${Math.round(100 * value)} %`;

  // ---------------------------------------------------------------- columns

  const number = (key, label, show, more = {}) =>
    ({ key, label, number: true, value: (row) => row[key], show: (row) => show(row[key]), ...more });
  const text = (key, label, more = {}) =>
    ({ key, label, number: false, value: (row) => row[key], show: (row) => row[key], ...more });
  const several = (key, label, more = {}) => ({
    key, label, number: true, claims: true, value: (row) => (row[key].length ? Number(row[key][0][0]) : null), ...more,
  });
  const present = (key) => rows.some((row) => row[key] !== null && row[key] !== "" && row[key] !== undefined);
  const varied = (key) => new Set(rows.map((row) => row[key]).filter((value) => value !== "")).size > 1;

  const columns = [
    text("network", "Network", { on: true, fixed: true }),
    { key: "size", label: "Size (HxW)", number: true, value: (row) => row.height * row.width, show: (row) => row.size, on: true },
    number("classes", "Classes", String, { on: varied("classes") }),
    number("batch", "Batch", String, { on: varied("batch") }),
    number("params", "Params (M)", scaled(1e6), { on: true }),
    number("macs", "MACs (G)", scaled(1e9), { on: true }),
    number("fps", "FPS", significant, { on: present("fps"), down: true }),
    number("latency", "Latency (ms)", significant, { on: present("latency") }),
    number("energy", "Energy (mJ)", significant, { on: false }),
    number("memory", "Memory (MiB)", significant, { on: false }),
    number("busy", "GPU busy", percent, { on: false }),
    text("bound", "Bound by", { on: false }),
    number("miou", "Measured mIoU (%)", (value) => value.toFixed(1), { on: present("miou"), down: true, small: "miouOn" }),
    several("claimedMiou", "Claimed mIoU (%)", { on: true, down: true }),
    several("claimedFps", "Claimed FPS", { on: rows.some((row) => row.claimedFps.length), down: true }),
    text("fidelity", "Fidelity", { on: true }),
    text("family", "Family", { on: false }),
    text("paper", "Paper", { on: false }),
    text("device", "Device", { on: varied("device") }),
    text("mode", "Mode", { on: varied("mode") }),
    text("precision", "Precision", { on: varied("precision") }),
    text("date", "Date", { on: false }),
    text("failure", "Failure", { on: present("failure") }),
  ].filter((column) => column.fixed || rows.some((row) => !empty(column.value(row))));

  function empty(value) {
    return value === null || value === undefined || value === "";
  }

  // ---------------------------------------------------------------- state

  const phone = matchMedia("screen and (max-width: 760px)");
  const state = { search: "", filters: {}, sort: null, descending: false, page: 0, pageSize: phone.matches ? 25 : 50 };
  let visible = rows;

  const filters = [
    { key: "family", label: "Family", values: (row) => [row.family] },
    { key: "printedIn", label: "Printed in", values: (row) => row.printedIn, names: data.papers },
    { key: "size", label: "Size (HxW)", values: (row) => [row.size] },
    { key: "fidelity", label: "Fidelity", values: (row) => [row.fidelity || "(your own)"] },
    { key: "device", label: "Device", values: (row) => [row.device || "(not timed)"] },
    { key: "classes", label: "Classes", values: (row) => [String(row.classes)] },
  ];

  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name === "class") element.className = value;
      else if (name in element && !name.startsWith("aria")) element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  function buildFilters() {
    const before = $("reset");
    for (const filter of filters) {
      const found = new Set();
      rows.forEach((row) => filter.values(row).forEach((value) => found.add(value)));
      if (found.size < 2) continue;
      const select = make("select", { id: `filter-${filter.key}` }, make("option", { value: "", textContent: "all" }));
      const sorted = [...found].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      sorted.forEach((value) => select.append(make("option", { value, textContent: value, title: filter.names?.[value] ?? "" })));
      select.addEventListener("change", () => {
        state.filters[filter.key] = select.value;
        update();
      });
      before.before(make("label", { class: "field" }, filter.label, select));
    }
    $("search").addEventListener("input", () => {
      state.search = $("search").value.trim().toLowerCase();
      update();
    });
    $("reset").addEventListener("click", () => {
      state.search = $("search").value = "";
      state.filters = {};
      document.querySelectorAll("#filters select").forEach((select) => { select.value = ""; });
      update();
      $("search").focus();
    });
  }

  function filtered() {
    const words = state.search.split(/\s+/).filter(Boolean);
    const active = filters.filter((filter) => state.filters[filter.key]);
    const kept = rows.filter((row) =>
      words.every((word) => row.text.includes(word)) &&
      active.every((filter) => filter.values(row).includes(state.filters[filter.key])));
    const column = columns.find((item) => item.key === state.sort);
    if (!column) return kept;
    const sign = state.descending ? -1 : 1;
    return kept.sort((a, b) => {
      const [one, other] = [column.value(a), column.value(b)];
      // Whatever is missing stays at the end, whichever way the others go.
      if (empty(one) || empty(other)) return empty(one) - empty(other) || a.place - b.place;
      const order = column.number ? one - other : String(one).localeCompare(String(other), "en", { numeric: true });
      return sign * order || a.place - b.place;
    });
  }

  // A network that is not built has a name and a paper that prints it, but nothing that the other filters ask for.
  function peerPasses(name, paper) {
    const words = state.search.split(/\s+/).filter(Boolean);
    const asked = filters.filter((filter) => state.filters[filter.key] && filter.key !== "size");
    return words.every((word) => `${name} ${paper}`.toLowerCase().includes(word)) &&
      asked.every((filter) => filter.key === "printedIn" && state.filters.printedIn === paper);
  }

  function update() {
    state.page = 0;
    visible = filtered();
    const networks = new Set(visible.map((row) => row.network)).size;
    $("count").textContent = visible.length === rows.length
      ? `${networks} networks, ${rows.length} rows`
      : `${networks} networks, ${visible.length} of ${rows.length} rows`;
    const chosen = filters.filter((filter) => state.filters[filter.key]).map((filter) => `${filter.label}: ${state.filters[filter.key]}`);
    if (state.search) chosen.push(`search: ${state.search}`);
    $("shown").textContent = [$("count").textContent, ...chosen].join("; ");
    drawTable();
    drawPlot();
  }

  // ---------------------------------------------------------------- table

  function sortBy(key) {
    const column = columns.find((item) => item.key === key);
    if (state.sort === key) state.descending = !state.descending;
    else Object.assign(state, { sort: key, descending: Boolean(column.down) });
    state.page = 0;
    visible = filtered();
    drawTable();
  }

  function buildChooser() {
    for (const column of columns) {
      if (column.fixed) continue;
      const box = make("input", { type: "checkbox", checked: column.on });
      box.addEventListener("change", () => {
        column.on = box.checked;
        drawTable();
      });
      $("columns").append(make("label", {}, box, column.label));
    }
    document.addEventListener("click", (event) => {
      if (!$("chooser").contains(event.target)) $("chooser").open = false;
    });
    $("chooser").addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        $("chooser").open = false;
        $("chooser").querySelector("summary").focus();
      }
    });
    document.addEventListener("keyup", (event) => {
      if (event.key === "Tab" && !$("chooser").contains(document.activeElement)) $("chooser").open = false;
    });
    $("sort").append(make("option", { value: "", textContent: "as listed" }));
    for (const column of columns) {
      $("sort").append(make("option", { value: `${column.key} up`, textContent: `${column.label}, ${column.number ? "lowest" : "A"} first` }));
      $("sort").append(make("option", { value: `${column.key} down`, textContent: `${column.label}, ${column.number ? "highest" : "Z"} first` }));
    }
    $("sort").addEventListener("change", () => {
      const [key, way] = $("sort").value.split(" ");
      Object.assign(state, { sort: key || null, descending: way === "down", page: 0 });
      visible = filtered();
      drawTable();
    });
  }

  function cell(column, row) {
    const missing = empty(column.value(row));
    const classes = [column.number ? "number" : "", column.key === "network" ? "network" : "", missing ? "empty" : ""];
    const element = make("td", { class: classes.join(" ").trim(), role: "cell", "data-label": column.label });
    if (column.key === "network") {
      const button = make("button", { type: "button", class: "link", textContent: row.network });
      button.addEventListener("click", () => openCard(row.network, button));
      element.append(button);
    } else if (missing) {
      element.append(DASH);
    } else if (column.claims) {
      const [figure, where] = row[column.key][0];
      const others = row[column.key].slice(1).map((item) => item.join(" "));
      const title = [`${figure} ${where}`, ...others].join("\n");
      const more = others.length ? make("span", { class: "small", textContent: ` +${others.length}` }) : null;
      // Which paper prints it is in the card; on which data set or GPU decides what it can be compared with.
      const below = make("span", { class: "small below", textContent: where.replace(/ \([^()]*\)$/, "") });
      element.append(make("span", { title }, figure, more, below));
    } else {
      const small = column.small ? make("span", { class: "small", textContent: ` ${row[column.small]}` }) : null;
      element.append(make("span", { class: column.key === "failure" ? "failed" : "" }, column.show(row), small));
    }
    return element;
  }

  // On paper the headings are plain text: browsers repeat them on each page only then.
  function drawTable(printing = false) {
    const shown = columns.filter((column) => column.on);
    const head = make("tr", { role: "row" });
    for (const column of shown) {
      const heading = make("th", { scope: "col", role: "columnheader", class: column.number ? "number" : "" });
      const button = make("button", { type: "button", textContent: column.label });
      heading.setAttribute("aria-sort", state.sort !== column.key ? "none" : state.descending ? "descending" : "ascending");
      button.dataset.key = column.key;
      button.addEventListener("click", () => {
        sortBy(column.key);
        document.querySelector(`#table thead button[data-key="${column.key}"]`).focus();
      });
      heading.append(printing ? column.label : button);
      head.append(heading);
    }
    const size = (printing && visible.length <= MOST_PRINTED) || !state.pageSize ? visible.length : state.pageSize;
    const pages = Math.max(Math.ceil(visible.length / Math.max(size, 1)), 1);
    state.page = Math.min(state.page, pages - 1);
    const first = state.page * size;
    const body = visible.slice(first, first + size).map((row) =>
      make("tr", { role: "row" }, ...shown.map((column) => cell(column, row))));
    if (!body.length) {
      body.push(make("tr", { role: "row" }, make("td", { role: "cell", colSpan: shown.length, textContent: "No network passes the filters." })));
    }
    $("table").tHead.replaceChildren(head);
    $("table").tBodies[0].replaceChildren(...body);
    $("table").classList.add("stack");
    fitTable();
    $("sort").value = state.sort ? `${state.sort} ${state.descending ? "down" : "up"}` : "";
    $("page-of").textContent = visible.length ? `${first + 1} to ${Math.min(first + size, visible.length)} of ${visible.length}` : "0 rows";
    $("previous").disabled = state.page === 0;
    $("next").disabled = state.page >= pages - 1;
    $("page-size").value = state.pageSize;
    $("pager").hidden = visible.length <= 25;
  }

  // A table that fits keeps its headings in sight while the page scrolls; a wider one scrolls in a frame of its own.
  function fitTable() {
    $("scroll").classList.remove("wide");
    $("scroll").classList.toggle("wide", $("table").offsetWidth > $("scroll").clientWidth + 1);
  }

  function buildPager() {
    const turn = (by) => {
      state.page += by;
      drawTable();
      $("scroll").scrollTop = 0;
      if (phone.matches) $("networks").scrollIntoView();
    };
    $("previous").addEventListener("click", () => turn(-1));
    $("next").addEventListener("click", () => turn(1));
    $("page-size").addEventListener("change", () => {
      state.pageSize = Number($("page-size").value);
      state.page = 0;
      drawTable();
    });
  }

  // ---------------------------------------------------------------- plot

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

  const severalBatches = varied("batch");
  const conditionOf = (row) => (row.device ? [row.device, row.mode, row.precision, severalBatches ? `batch ${row.batch}` : ""].filter(Boolean).join(", ") : "");

  // Timings under different conditions are not compared: the plot shows those under one, which can be chosen.
  function timingShown(xAxis, yAxis) {
    const found = xAxis.timed || yAxis.timed ? [...new Set(visible.map(conditionOf).filter(Boolean))] : [];
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
      if (!(x > 0) || timing && conditionOf(row) !== timing) continue;
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
        const key = [row.network, x, y, measured, paper].join("|");
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
      lines.push(`mIoU ${point.y} ${point.measured ? "measured" : "claimed"}${point.paper ? ` in ${inert(point.paper)}` : ""}${point.split ? `, ${inert(point.split)} split` : ""}`);
    } else {
      lines.push(`${inert(yAxis.title)}: ${significant(point.y)}`);
    }
    lines.push(`${inert(xAxis.title)}: ${significant(point.x)}`);
    if (row.params) lines.push(`${scaled(1e6)(row.params)} M params, ${row.macs ? `${scaled(1e9)(row.macs)} G MACs` : "MACs not counted"}`);
    if (row.device && (xAxis.timed || yAxis.timed)) lines.push(inert([row.device, row.mode, row.precision].filter(Boolean).join(", ")));
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
    if (points.some((point) => point.measured)) notes.push("a dark rim marks a measured mIoU");
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

  // ---------------------------------------------------------------- card

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
      ["Note", card.note],
    ]));

    const severalClasses = new Set(own.map((row) => row.classes)).size > 1;
    const measuredRows = own.map((row) => [
      row.size, severalClasses ? String(row.classes) : "", row.batch === 1 ? "" : String(row.batch), row.macs === null ? "" : scaled(1e9)(row.macs), row.fps === null ? "" : significant(row.fps),
      row.interval.length ? row.interval.map((end) => significant(end)).join(" to ") : "",
      row.latency === null ? "" : significant(row.latency), row.memory === null ? "" : significant(row.memory),
      row.energy === null ? "" : significant(row.energy), row.busy === null ? "" : percent(row.busy), row.bound,
      row.miou === null ? "" : `${row.miou.toFixed(1)} ${row.miouOn}`,
      [row.device, row.mode, row.precision].filter(Boolean).join(", "), row.failure,
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
      const title = `Environment${environments.size > 1 ? ` of ${[row.device, row.date].filter(Boolean).join(", ")}` : ""}`;
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

  // ---------------------------------------------------------------- theme, files, print

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
      ["Plots", (data.files.plots ?? []).map(([name, title]) => [`plots/${name}`, title]), ["svg", "pdf", "png"]],
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
})();
