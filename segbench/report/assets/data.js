// What the page holds, and the columns of its table.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const DASH = "-";
const REAL_TIME_FPS = 30;
const MOST_PRINTED = 3000;

const interned = new Set(Object.keys(data.names));
const rows = data.rows.map((values, place) => {
  const row = { place };
  data.fields.forEach((field, index) => {
    row[field] = interned.has(field) ? data.names[field][values[index]] : values[index];
  });
  row.size = `${row.height}x${row.width}`;
  row.text = [row.network, row.family, row.paper, row.fidelity, row.conditions, row.miouOn, row.failure, row.printedIn.join(" ")]
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

const number = (key, label, show, more = {}) =>
  ({ key, label, number: true, value: (row) => row[key], show: (row) => show(row[key]), ...more });
// MACs of a network with operations that no rule prices are a lower bound.
const macs = (row) => (row.uncounted ? "\u2265 " : "") + scaled(1e9)(row.macs);
const text = (key, label, more = {}) =>
  ({ key, label, number: false, value: (row) => row[key], show: (row) => row[key], ...more });
const several = (key, label, more = {}) => ({
  key, label, number: true, claims: true, value: (row) => (row[key].length ? Number(row[key][0][0]) : null), ...more,
});
const present = (key) => rows.some((row) => row[key] !== null && row[key] !== "" && row[key] !== undefined);
const varied = (key) => new Set(rows.map((row) => row[key]).filter((value) => value !== "")).size > 1;

// Whether device, mode and precision do not tell all timings apart.
const conditionsApart = new Set(rows.map((row) => row.conditions)).size >
  new Set(rows.map((row) => [row.device, row.mode, row.precision].join("|"))).size;

const columns = [
  text("network", "Network", { on: true, fixed: true }),
  { key: "size", label: "Size (HxW)", number: true, value: (row) => row.height * row.width, show: (row) => row.size, on: true },
  number("classes", "Classes", String, { on: varied("classes") }),
  number("batch", "Batch", String, { on: varied("batch") }),
  number("params", "Params (M)", scaled(1e6), { on: true }),
  number("macs", "MACs (G)", scaled(1e9), { on: true, show: macs }),
  number("fps", "FPS", significant, { on: present("fps"), down: true }),
  number("latency", "Latency (ms)", significant, { on: present("latency") }),
  number("energy", "Energy (mJ)", significant, { on: false }),
  number("memory", "Memory (MiB)", significant, { on: false }),
  number("graph", "FPS as a CUDA graph", significant, { on: false }),
  number("busyMs", "GPU busy (ms)", significant, { on: false }),
  number("enqueue", "Enqueue (ms)", significant, { on: false }),
  number("launches", "Kernels", significant, { on: false }),
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
  text("conditions", "Conditions", { on: conditionsApart }),
  text("uncounted", "Not counted", { on: present("uncounted") }),
  text("date", "Date", { on: false }),
  text("failure", "Failure", { on: present("failure") }),
].filter((column) => column.fixed || rows.some((row) => !empty(column.value(row))));

function empty(value) {
  return value === null || value === undefined || value === "";
}
