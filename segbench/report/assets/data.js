// What the page holds: rows, columns, and how their values read.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const DASH = "-";

const several = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const empty = (value) => value === null || value === undefined || value === "";

const columns = new Map(data.columns.map((column) => {
  const number = column.format && new Intl.NumberFormat("en", { useGrouping: false, ...column.format });
  return [column.key, { ...column, show: (value) => (number ? number.format(value) : String(value)) }];
}));

const rows = data.rows.map((values, place) => {
  const named = (field, value) => (field in data.names ? data.names[field][value] : value);
  const row = Object.fromEntries(data.fields.map((field, at) => [field, named(field, values[at])]));
  const [title, paperUrl, codeUrl] = data.networks[row.card];
  const words = [title, row.network, row.size, row.family, row.paper, row.fidelity];
  words.push(row.conditions, row.miouOn, row.failure, ...row.printedIn);
  const at = [row.network, row.size, row.classes, row.batch].join("|");
  const id = [row.network, row.size, row.classes, row.nth || ""].join(" ").trim();
  const [low, high] = row.interval.map((end) => columns.get("fps").show(end));
  if (low) row.below.fps = `${low} to ${high}`;
  return { ...row, id, place, at, title, paperUrl, codeUrl, text: words.join(" ").toLowerCase() };
});
const timings = [...new Set(rows.map((row) => row.conditions).filter(Boolean))];
const byId = new Map(rows.map((row) => [row.id, row]));

function shown(column, row) {
  const value = row[column.key];
  if (empty(value)) return DASH;
  // MACs of a network with operations that no rule prices are a lower bound.
  return (column.key === "macs" && row.uncounted ? "\u2265 " : "") + column.show(value);
}

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name in element && !name.startsWith("aria")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function save(name, type, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
