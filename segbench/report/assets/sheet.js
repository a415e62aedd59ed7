// What opens over the page: a network's card, and ticked rows side by side.

const NAMES = ["network", "family", "paper", "fidelity"];

function openSheet(title, ...content) {
  $("sheet-title").textContent = title;
  $("sheet-body").replaceChildren(...content);
  if (!$("sheet").open) $("sheet").showModal();
  $("sheet").scrollTop = 0;
}

function openCard(row) {
  const copy = (id) => $(id).content.cloneNode(true);
  const card = copy(`card-${row.card}`);
  card.querySelectorAll("[data-from]").forEach((part) => part.replaceWith(copy(part.dataset.from)));
  const own = rows.filter(({ network }) => network === row.network);
  card.querySelector("[data-rows]").replaceWith(sideBySide(own, ({ size }) => [size], ["size", ...NAMES]));
  for (const cell of card.querySelectorAll(".stack td")) {
    const head = cell.closest("table").tHead.rows[0].cells[cell.cellIndex];
    cell.dataset.label = head.textContent;
    cell.className = `${head.className} ${cell.textContent === DASH ? "empty" : ""}`;
  }
  openSheet(row.title, links(row), card);
  $("network").value = row.network;
  remember();
}

function links(row) {
  const found = [["paper", row.paperUrl], ["code", row.codeUrl]].filter(([, url]) => url);
  const name = row.title.toLowerCase() === row.network.toLowerCase() ? "" : row.network;
  const line = make("span", { class: "links small" }, make("span", { class: "below", textContent: name }));
  found.forEach(([word, href]) => line.append(make("a", {
    href, textContent: word, rel: "noreferrer", target: "_blank", "aria-label": `${word} of ${row.title}`,
  })));
  return line;
}

// Quantities down, rows across.
function sideBySide(chosen, heading, without, times = () => "") {
  const told = [...columns.values()].filter(({ key }) =>
    !without.includes(key) && chosen.some((row) => !empty(row[key])));
  const below = (column, row) => [times(column, row), row.below[column.key]].filter(Boolean).join(", ");
  const cells = (column) => chosen.map((row) =>
    make("td", {}, shown(column, row), make("span", { class: "small below", textContent: below(column, row) })));
  const body = told.map((column) =>
    make("tr", {}, make("th", { scope: "row", textContent: column.label }), ...cells(column)));
  const head = make("tr", {}, make("td"), ...chosen.map((row) => make("th", { scope: "col" }, ...heading(row))));
  const table = make("table", { class: "side" }, make("thead", {}, head), make("tbody", {}, ...body));
  return make("div", { class: "inner-scroll" }, table);
}

// Costs also say how many times that of the first one they are, where size, batch and conditions are the same.
function openCompare() {
  const chosen = [...ticked].map((id) => byId.get(id));
  const times = (column, row) => {
    const [first, sized] = [chosen[0], column.key === "params" ? [] : ["size", "batch"]];
    const alike = [...sized, ...(column.timed ? ["conditions"] : [])].every((key) => row[key] === first[key]);
    const factor = column.axis && alike && row !== first ? row[column.key] / first[column.key] : NaN;
    return Number.isFinite(factor) && factor > 0 ? `\u00d7${factor.toPrecision(3)}` : "";
  };
  openSheet("Side by side", sideBySide(chosen, (row) => [openButton(row), links(row)], ["network"], times));
}

function showTicked() {
  $("compare").textContent = `Compare ticked (${ticked.size})`;
  $("compare").disabled = ticked.size < 2;
  $("untick").hidden = !ticked.size;
}
