// Search, filters, and the rows that they leave.

const phone = matchMedia("screen and (max-width: 760px)");
const state = { search: "", filters: {}, sort: null, descending: false, page: 0, pageSize: phone.matches ? 25 : 50 };
let visible = rows;

const filters = [
  { key: "family", label: "Family", values: (row) => [row.family] },
  { key: "printedIn", label: "Printed in", values: (row) => row.printedIn, names: data.papers },
  { key: "size", label: "Size (HxW)", values: (row) => [row.size] },
  { key: "fidelity", label: "Fidelity", values: (row) => [row.fidelity || "(your own)"] },
  { key: "device", label: "Device", values: (row) => [row.device || "(not timed)"] },
  { key: "conditions", label: "Timed under", values: (row) => [row.conditions || "(not timed)"] },
  { key: "miouOn", label: "mIoU measured on", values: (row) => [row.miouOn || "(not measured)"] },
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
