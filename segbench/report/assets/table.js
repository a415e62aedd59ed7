// The table: the headline of the chosen cost first, then the columns that are ticked.

const STEP = 50;
const MOST_PRINTED = 3000;
let most = STEP;

function columnsShown() {
  const chosen = [...columns.keys()].filter((key) => key === "network" || checked(`col.${key}`));
  const first = chosen.filter((key) => ["network", "size", "classes", "batch"].includes(key));
  const keys = new Set([...first, ...(data.costs[$("cost").value] ?? []), ...chosen]);
  return [...keys].filter((key) => columns.has(key)).map((key) => columns.get(key));
}

function tickBox(row) {
  const label = `Compare ${row.title} ${row.size}`;
  const box = make("input", { type: "checkbox", checked: ticked.has(row.id), "aria-label": label });
  box.addEventListener("change", () => {
    if (box.checked) ticked.add(row.id);
    else ticked.delete(row.id);
    drawPlot();
    showTicked();
    remember();
  });
  return box;
}

function openButton(row, label = row.title) {
  const button = make("button", { type: "button", class: "link", textContent: label });
  button.addEventListener("click", () => openCard(row));
  return button;
}

function cell(column, row) {
  const missing = empty(row[column.key]);
  const classes = [column.format ? "number" : "", column.key, missing ? "empty" : ""].filter(Boolean).join(" ");
  const otherwise = column.timed && !missing && row.conditions !== timing() ? row.conditions : row.below[column.key];
  const below = otherwise ? make("span", { class: "small below", textContent: otherwise }) : null;
  const title = row.hints[column.key] ?? "";
  const element = make("td", { class: classes, role: "cell", "data-label": column.label, title });
  if (column.key !== "network") element.append(make("div", {}, shown(column, row), below));
  else element.append(make("div", { class: "name" }, tickBox(row), openButton(row)), links(row));
  return element;
}

// On paper the headings are plain text: browsers repeat them on each page only then.
function heading(column, printing) {
  const [key, way] = $("sort").value.split(" ");
  const sorted = key !== column.key ? "none" : way === "down" ? "descending" : "ascending";
  const kind = column.format ? "number" : "";
  const element = make("th", { scope: "col", role: "columnheader", class: kind, "aria-sort": sorted });
  const button = make("button", { type: "button", textContent: column.label });
  button.dataset.key = column.key;
  button.addEventListener("click", () => {
    const down = key === column.key ? way !== "down" : column.more;
    $("sort").value = `${column.key} ${down ? "down" : "up"}`;
    update();
    document.querySelector(`#table thead button[data-key="${column.key}"]`).focus();
  });
  element.append(printing ? column.label : button);
  return element;
}

function drawTable(found, printing = false) {
  const asked = columnsShown();
  const body = found.slice(0, printing ? MOST_PRINTED : most).map((row) =>
    make("tr", { role: "row" }, ...asked.map((column) => cell(column, row))));
  if (!body.length) {
    const nothing = make("td", { role: "cell", colSpan: asked.length, textContent: "No network passes the filters." });
    body.push(make("tr", { role: "row" }, nothing));
  }
  $("table").tHead.replaceChildren(make("tr", { role: "row" }, ...asked.map((column) => heading(column, printing))));
  $("table").tBodies[0].replaceChildren(...body);
  $("page-of").textContent = `${Math.min(most, found.length)} of ${found.length} rows`;
  $("pager").hidden = found.length <= most;
  fitTable();
}

// A table that fits keeps its headings in sight while the page scrolls; a wider one scrolls in a frame of its own.
function fitTable() {
  $("scroll").classList.remove("wide");
  $("scroll").classList.toggle("wide", $("table").offsetWidth > $("scroll").clientWidth + 1);
}

// One number a cell; what it is of stands in a column of its own. Nothing is a formula to a spreadsheet.
function csv(found) {
  const quoted = (value) => {
    const text = typeof value === "string" ? value.replace(/^[=+\-@]/, "'$&") : String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const parts = columnsShown().flatMap(({ key, label }) => {
    const note = [`${label}: ${key === "fps" ? "95 % interval" : "of"}`, (row) => row.below[key]];
    return [[label, (row) => row[key]], ...(found.some((row) => row.below[key]) ? [note] : [])];
  });
  const lines = [parts.map(([label]) => label), ...found.map((row) => parts.map(([, value]) => value(row)))];
  return lines.map((line) => `${line.map(quoted).join(",")}\r\n`).join("");
}
