// The trace reader: filters, a list that draws only what is in view, and one open trace.

const ROW_HEIGHT = 52;
const at = (id) => document.getElementById(id);
const CODED = ["outcome", "reason", "selection"];
let index;
let shown = []; // rows that pass the filter, in order
let position = -1; // of the open trace within them
let generation = 0; // of the filter; a slower search of an older one is dropped
let raw = false;
let suspicious, hardest, ranks, rowsOfTask;

async function start() {
  index = await unpack(at("index"));
  suspicious = new Map(index.suspicious);
  hardest = new Map(index.hardest.map((task, rank) => [task, rank]));
  prepareRows();
  fillFilters();
  const wanted = rowOfAddress();
  await applyFilters();
  if (wanted >= 0) await open(shown.indexOf(wanted), true);
  else if (shown.length) await open(0);
  document.documentElement.dataset.ready = Math.round(performance.now());
}

// Ranks: suspicious accepts, then correct rows of the hardest solved tasks, then all others as sampled.
function prepareRows() {
  const count = index.task.length;
  ranks = new Float64Array(count);
  rowsOfTask = new Map();
  const correct = index.names.outcome.indexOf("correct");
  for (let row = 0; row < count; row++) {
    const task = index.task[row];
    const isHard = hardest.has(task) && index.outcome[row] === correct;
    ranks[row] = isHard ? 1e7 + hardest.get(task) : 1e8;
    if (!rowsOfTask.has(task)) rowsOfTask.set(task, []);
    rowsOfTask.get(task).push(row);
  }
  index.suspicious.forEach(([row], rank) => { ranks[row] = rank; });
}

function fillFilters() {
  const correct = index.names.outcome.indexOf("correct");
  const numHard = index.task.filter((task, row) => hardest.has(task) && index.outcome[row] === correct).length;
  options("show", [["", "all"], ["suspicious", `suspicious accepts (${suspicious.size})`], ["hardest", `hardest solved tasks (${numHard})`]]);
  options("order", [["", "notable first"], ["sampled", "as sampled"], ["short", "shortest first"], ["long", "longest first"]]);
  const any = ["", "any"];
  options("set", [any, ...index.names.set.map((name, i) => [String(i), name]).filter(([value]) => index.set.includes(Number(value)))]);
  options("arm", [any, ...index.arms.map((name, i) => [String(i), name])]);
  options("round", [any, ...[...new Set(index.round)].sort((a, b) => a - b).map((number) => [String(number), number < 0 ? "start" : String(number)])]);
  for (const name of CODED) options(name, [any, ...index.names[name].map((value, i) => [String(i), value]).sort((a, b) => (a[1] < b[1] ? -1 : 1))]);
  const byNumber = (a, b) => a.localeCompare(b, "en", { numeric: true });
  options("difficulty", [any, ...[...new Set(index.tasks.difficulty)].filter(Boolean).sort(byNumber).map((value) => [value, value])]);
  for (const select of at("filters").querySelectorAll("select")) if (select.options.length < 2 || (select.options.length === 2 && select.id !== "show")) select.parentElement.hidden = true;
}

function options(id, pairs) {
  at(id).replaceChildren(...pairs.map(([value, label]) => new Option(label, value)));
}

function passing() {
  const number = (id) => (at(id).value === "" ? NaN : Number(at(id).value));
  const wanted = ["set", "arm", "round", ...CODED].map((name) => [index[name], number(name)]).filter(([, value]) => !Number.isNaN(value));
  const difficulty = at("difficulty").value, task = at("task").value.trim(), show = at("show").value;
  const correct = index.names.outcome.indexOf("correct");
  const rows = [];
  for (let row = 0; row < index.task.length; row++) {
    if (wanted.some(([column, value]) => column[row] !== value)) continue;
    if (difficulty && index.tasks.difficulty[index.task[row]] !== difficulty) continue;
    if (task && !index.tasks.id[index.task[row]].startsWith(task)) continue;
    if (show === "suspicious" && !suspicious.has(row)) continue;
    if (show === "hardest" && !(hardest.has(index.task[row]) && index.outcome[row] === correct)) continue;
    rows.push(row);
  }
  const order = at("order").value;
  if (order === "short") rows.sort((a, b) => index.characters[a] - index.characters[b] || a - b);
  else if (order === "long") rows.sort((a, b) => index.characters[b] - index.characters[a] || a - b);
  else if (order === "") rows.sort((a, b) => ranks[a] - ranks[b] || a - b);
  return rows;
}

async function applyFilters() {
  const mine = ++generation;
  const before = shown[position];
  let rows = passing();
  const text = at("search").value;
  if (text) {
    const found = await rowsWith(text, rows, () => mine === generation, (done, all) => { at("state").textContent = `searching: ${done} of ${all} blocks`; });
    if (mine !== generation) return;
    rows = rows.filter((row) => found.has(row));
  }
  shown = rows;
  position = shown.indexOf(before);
  at("state").textContent = `${shown.length.toLocaleString("en")} of ${index.task.length.toLocaleString("en")} traces`;
  at("spacer").style.height = `${shown.length * ROW_HEIGHT}px`;
  if (position < 0) at("list").scrollTop = 0;
  drawList();
  if (position < 0 && shown.length && before !== undefined) await open(0);
  else markFound();
  if (!shown.length) at("trace").replaceChildren("No trace passes the filter.");
}

function drawList() {
  const list = at("list");
  const first = Math.max(0, Math.floor(list.scrollTop / ROW_HEIGHT) - 4);
  const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW_HEIGHT) + 8);
  const rows = [];
  for (let place = first; place < last; place++) rows.push(listRow(place));
  at("spacer").replaceChildren(...rows);
}

function listRow(place) {
  const row = shown[place], task = index.task[row];
  const outcome = named("outcome", row);
  const mark = { correct: "✓", wrong: "✗" }[outcome] || "?";
  const where = [suspicious.has(row) ? "⚑ suspicious" : hardest.has(task) ? "hard" : "", index.arms.length > 1 ? index.arms[index.arm[row]] : "", whenSampled(row), index.tokens[row] ? `${index.tokens[row]} tokens` : `${index.characters[row]} characters`];
  const node = element("div", "row",
    element("div", "", element("span", outcome, mark), ` ${index.answer[row] || named("reason", row)} ← ${index.tasks.snippet[task]}`),
    element("div", "", where.filter(Boolean).join(" · ")));
  node.style.top = `${place * ROW_HEIGHT}px`;
  node.setAttribute("role", "option");
  node.setAttribute("aria-selected", String(place === position));
  node.addEventListener("click", () => open(place));
  return node;
}

// Which round sampled a row, or, on held-out tasks, which model.
function whenSampled(row) {
  const round = index.round[row];
  return index.set[row] ? `held out, ${round < 0 ? "first model" : `after round ${round}`}` : `round ${round}`;
}

async function open(place, scrollPage = false) {
  if (place < 0 || place >= shown.length) return;
  position = place;
  const list = at("list"), top = place * ROW_HEIGHT;
  if (top < list.scrollTop || top + ROW_HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = top - list.clientHeight / 2;
  drawList();
  const row = shown[place];
  const trace = await traceOf(row);
  if (shown[position] !== row) return;
  drawTrace(trace, row);
  at("trace").scrollTop = 0;
  markFound();
  history.replaceState(null, "", `#${addressOf(row)}`);
  if (scrollPage) at("traces").scrollIntoView();
}

async function saveRows() {
  const parts = [];
  for (const row of shown) {
    const { traits, ...trace } = await traceOf(row);
    parts.push(JSON.stringify({ id: addressOf(row), ...trace }) + "\n");
  }
  const link = element("a", "");
  link.href = URL.createObjectURL(new Blob(parts, { type: "application/jsonl" }));
  link.download = "traces.jsonl";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  at("state").textContent = `saved ${shown.length.toLocaleString("en")} traces to traces.jsonl`;
}

// The address of a trace, which stays the same in every report that holds it.
function addressOf(row) {
  return `trace/${index.arm[row]}/${index.set[row] ? "held-out" : "sampled"}/${index.round[row]}/${index.tasks.id[index.task[row]]}/${index.sample[row]}`;
}

function rowOfAddress() {
  const match = decodeURIComponent(location.hash).match(/^#trace\/\d+\/[a-z-]+\/-?\d+\/(.*)\/\d+$/);
  const task = match ? index.tasks.id.indexOf(match[1]) : -1;
  const rows = rowsOfTask.get(task) || [];
  return match ? rows.find((row) => addressOf(row) === location.hash.slice(1)) ?? -1 : -1;
}

// Marks what was searched for in the open trace.
function markFound() {
  if (!window.Highlight) return;
  const wanted = at("search").value.toLowerCase(), ranges = [];
  const walker = document.createTreeWalker(at("trace"), NodeFilter.SHOW_TEXT);
  while (wanted && walker.nextNode()) {
    const text = walker.currentNode.data.toLowerCase();
    for (let place = text.indexOf(wanted); place >= 0 && ranges.length < 2000; place = text.indexOf(wanted, place + wanted.length)) {
      const range = new Range();
      range.setStart(walker.currentNode, place);
      range.setEnd(walker.currentNode, place + wanted.length);
      ranges.push(range);
    }
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}

const KEYS = {
  n: () => open(position + 1), j: () => open(position + 1), p: () => open(position - 1), k: () => open(position - 1),
  r: () => { raw = !raw; open(position); }, t: toggleTask, "/": () => at("search").focus(), "?": () => at("help").showModal(),
};

function toggleTask() {
  if (position < 0) return;
  at("task").value = at("task").value ? "" : index.tasks.id[index.task[shown[position]]];
  applyFilters();
}

document.addEventListener("keydown", (event) => {
  const inField = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape" && inField) event.target.blur();
  if (inField || event.ctrlKey || event.metaKey || event.altKey || at("help").open || !KEYS[event.key] || !index) return;
  event.preventDefault();
  KEYS[event.key]();
});
let typing;
at("filters").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(applyFilters, 150); });
at("filters").addEventListener("reset", () => setTimeout(applyFilters));
at("filters").addEventListener("submit", (event) => { event.preventDefault(); applyFilters(); });
at("save").addEventListener("click", saveRows);
at("keys").addEventListener("click", () => at("help").showModal());
at("list").addEventListener("scroll", drawList, { passive: true });
start();
