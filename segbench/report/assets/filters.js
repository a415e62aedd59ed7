// Which rows pass the filters, in which order. On the plot the others stay, pale.

const selects = [...$("filters").querySelectorAll("select")];
const ranges = [...$("filters").querySelectorAll("input[type=number]")];
const collator = new Intl.Collator("en", { numeric: true });

// Left out of table, plot and frontier: ablations unless they are asked for, and another timing of what has the chosen.
function pool() {
  const [all, chosen] = [checked("ablations"), timing()];
  const timed = new Set(chosen ? rows.filter((row) => row.conditions === chosen).map((row) => row.at) : []);
  return rows.filter((row) => (all || !row.ablation) && (row.conditions === chosen || !timed.has(row.at)));
}

const words = () => $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
const narrowed = () => Boolean(words().length) || [...selects, ...ranges].some((control) => control.value);

function within(row, range) {
  const [key, end] = range.name.split(".");
  if (empty(row[key])) return false;
  return end === "min" ? row[key] >= range.valueAsNumber : row[key] <= range.valueAsNumber;
}

function passing() {
  const asked = words();
  const chosen = selects.filter((select) => select.value);
  const limits = ranges.filter((range) => range.value);
  return pool().filter((row) =>
    asked.every((word) => row.text.includes(word)) &&
    chosen.every((select) => [row[select.name]].flat().map(String).includes(select.value)) &&
    limits.every((range) => within(row, range)));
}

function ordered(list) {
  const chosen = $("sort").value;
  const [key, way] = chosen ? chosen.split(" ") : [$("cost").value, cost()?.more ? "down" : "up"];
  const number = columns.get(key)?.format;
  const sign = way === "down" ? -1 : 1;
  const answered = `${key}Ratio`;
  const late = (row) => Number(!chosen && columns.has(answered) && empty(row[answered]));
  return list.sort((a, b) => {
    const [one, other] = [a[key], b[key]];
    // Whatever is missing stays at the end, whichever way the others go.
    const missing = late(a) - late(b) || empty(one) - empty(other);
    if (missing || empty(one)) return missing || a.place - b.place;
    return sign * (number ? one - other : collator.compare(one, other)) || a.place - b.place;
  });
}

// Which rows the plot highlights: those that pass the filters and those ticked; all of them where nothing is asked.
function highlighted(found) {
  const asked = narrowed();
  if (!asked && !ticked.size) return () => true;
  const lit = new Set(asked ? found : []);
  return (row) => lit.has(row) || ticked.has(row.id);
}
