// Theme, printing, and what each control sets off.

const PRINTED = { width: 1000, height: 450 }; // a landscape A4 page within its margins, in pixels

function update(settle = false) {
  const found = ordered(passing());
  if (settle && cost() && $("group").value && (settle === "cost" || unseen(found))) settleGroup(found);
  const networks = new Set(found.map((row) => row.network)).size;
  const total = pool().length;
  const of = found.length === total ? "" : `${found.length} of `;
  $("count").textContent = `${several(networks, "network")}, ${of}${several(total, "row")}`;
  $("finding").textContent = data.findings[$("cost").value] ?? "";
  const asked = controls.filter((control) => control.form === $("filters") && read(control) !== initial.get(control));
  const told = asked.map((control) => `${control.name}: ${read(control)}`);
  $("shown").textContent = [$("count").textContent, ...told].join("; ");
  drawTable(found);
  drawPlot();
  showTicked();
  remember();
}

function choose({ target }) {
  if (!target.name) return;
  if ($("up").value === "miou" && !$("group").value) {
    const other = Object.keys(data.costs).find((key) => key !== $("cost").value);
    if (target === $("group")) $("up").value = other ?? $("cost").value;
    else $("group").value = initial.get($("group"));
  }
  if (target.form === $("filters")) most = STEP;
  update(target === $("cost") ? "cost" : target !== $("group") && "filter");
}

function restore() {
  // A place within the page, such as that of the skip link, is no view.
  if (location.hash && !location.hash.includes("=")) {
    remember();
    return;
  }
  recall();
  const row = rows.find(({ network }) => network === $("network").value);
  // An address that says no group leaves it to what else it asks for.
  update(read($("group")) === initial.get($("group")) && "filter");
  if (row) openCard(row);
}

function buildTheme() {
  const apply = () => { document.documentElement.dataset.theme = $("theme").value; };
  try {
    $("theme").value = localStorage.getItem("segbench-theme") ?? "";
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  $("theme").addEventListener("input", () => {
    try {
      localStorage.setItem("segbench-theme", $("theme").value);
    } catch {
      // As above.
    }
    apply();
    drawPlot();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawPlot);
  apply();
}

function buildPrint() {
  window.addEventListener("beforeprint", () => {
    document.documentElement.dataset.theme = "light";
    drawTable(ordered(passing()), true);
    drawPlot();
    if (!$("plot").hidden) Plotly.relayout($("plot"), PRINTED);
  });
  window.addEventListener("afterprint", () => {
    document.documentElement.dataset.theme = $("theme").value;
    update();
  });
}

for (const form of [$("filters"), $("view")]) {
  form.addEventListener("input", choose);
  form.addEventListener("submit", (event) => event.preventDefault());
}
// A form is reset only after its event.
$("filters").addEventListener("reset", () => setTimeout(() => update("filter")));
$("more").addEventListener("click", () => {
  most += STEP;
  update();
});
$("all").addEventListener("click", () => {
  most = rows.length;
  update();
});
$("untick").addEventListener("click", () => {
  ticked.clear();
  update();
});
$("csv").addEventListener("click", () => save("segbench.csv", "text/csv", csv(ordered(passing()))));
$("svg").addEventListener("click", () => Plotly.downloadImage($("plot"), { format: "svg", filename: "segbench" }));
$("compare").addEventListener("click", openCompare);
$("sheet").addEventListener("close", () => {
  $("network").value = "";
  remember();
});
document.addEventListener("click", ({ target }) => {
  document.querySelectorAll("details.dropdown[open]").forEach((one) => { one.open = one.contains(target); });
});
document.addEventListener("keydown", ({ key }) => {
  const open = document.querySelector("details.dropdown[open]");
  if (key !== "Escape" || !open) return;
  open.open = false;
  open.querySelector("summary").focus();
});
window.addEventListener("hashchange", restore);
window.addEventListener("resize", fitTable);
$("plot-section").hidden = !cost();
$("files").hidden = !$("files").querySelector("a");
buildTheme();
buildPrint();
restore();
document.documentElement.dataset.ready = "yes";
