// The table: sorting, column chooser, pages.

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
