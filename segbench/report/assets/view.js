// What is chosen, and the address that says it: every control by its name, where it is not as the page opens.

const controls = [...document.querySelectorAll("form [name]")];
const read = (control) => (control.type === "checkbox" ? String(control.checked) : control.value);
const initial = new Map(controls.map((control) => [control, read(control)]));
const ticked = new Set();

function write(control, value) {
  if (control.type === "checkbox") control.checked = value === "true";
  else control.value = value;
  if (control.selectedIndex === -1) control.value = initial.get(control);
}

function remember() {
  $("ticked").value = [...ticked].join("|");
  const changed = controls.filter((control) => read(control) !== initial.get(control));
  const view = new URLSearchParams(changed.map((control) => [control.name, read(control)]));
  if (String(view) !== location.hash.slice(1)) {
    history.replaceState(null, "", view.size ? `#${view}` : location.pathname + location.search);
  }
}

function recall() {
  const view = new URLSearchParams(location.hash.slice(1));
  controls.forEach((control) => write(control, view.get(control.name) ?? initial.get(control)));
  ticked.clear();
  $("ticked").value.split("|").filter((id) => byId.has(id)).forEach((id) => ticked.add(id));
}

const cost = () => columns.get($("cost").value);
const timing = () => $("timing")?.value ?? timings[0];
const checked = (id) => Boolean($(id)?.checked);
