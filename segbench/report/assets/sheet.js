// What opens over the page: a network's card, and ticked rows side by side.

function openSheet(title, ...content) {
  $("sheet-title").textContent = title;
  $("sheet-body").replaceChildren(...content);
  if (!$("sheet").open) $("sheet").showModal();
  $("sheet").scrollTop = 0;
}

function openCard(row) {
  openSheet(row.title, links(row), $(`card-${row.card}`).content.cloneNode(true));
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

// Costs also say how many times that of the first one they are.
function openCompare() {
  const chosen = [...ticked].map((id) => byId.get(id));
  const told = [...columns.values()].slice(1).filter(({ key }) => chosen.some((row) => !empty(row[key])));
  const times = (column, row) => {
    const factor = column.axis && row !== chosen[0] ? row[column.key] / chosen[0][column.key] : NaN;
    return Number.isFinite(factor) && factor > 0 ? `\u00d7${factor.toPrecision(3)}` : row.below[column.key] ?? "";
  };
  const head = chosen.map((row) => make("th", { scope: "col" }, openButton(row), links(row)));
  const cells = (column) => chosen.map((row) =>
    make("td", {}, shown(column, row), make("span", { class: "small below", textContent: times(column, row) })));
  const body = told.map((column) =>
    make("tr", {}, make("th", { scope: "row", textContent: column.label }), ...cells(column)));
  const table = make("table", {}, make("thead", {}, make("tr", {}, make("td"), ...head)), make("tbody", {}, ...body));
  openSheet("Side by side", make("div", { class: "inner-scroll" }, table));
}

function showTicked() {
  $("compare").textContent = `Compare ticked (${ticked.size})`;
  $("compare").disabled = ticked.size < 2;
  $("untick").hidden = !ticked.size;
}
