// An audit: one trace at a time, its verdict hidden until it has a label. Labels live in this browser and leave as a file.

const at = (id) => document.getElementById(id);
const draw = JSON.parse(at("draw").textContent);
const STORE = `selfplay-audit-${draw.id}`;
const LABELS = { 1: "right", 2: "wrong", 3: "broken", 4: "unsure" };
const TITLES = { right: "the answer is right", wrong: "the answer is wrong", broken: "the task is broken", unsure: "unsure" };
let labels = restored();
let history = [];
let position = 0;
let raw = false;

function restored() {
  try {
    return JSON.parse(localStorage.getItem(STORE)) || {};
  } catch (error) {
    return {};
  }
}

// Whether the labels are kept: a browser may refuse to store anything for a file.
function keep() {
  try {
    localStorage.setItem(STORE, JSON.stringify(labels));
    return true;
  } catch (error) {
    return false;
  }
}

function put(label) {
  const key = draw.rows[position].key;
  history.push([position, labels[key]]);
  labels[key] = label;
  show(keep() ? "" : "this browser stores nothing: save the labels before you leave");
}

function undo() {
  const last = history.pop();
  if (!last) return show("nothing to undo");
  [position] = last;
  const key = draw.rows[position].key;
  if (last[1] === undefined) delete labels[key];
  else labels[key] = last[1];
  keep();
  show();
}

function move(to) {
  position = Math.max(0, Math.min(draw.rows.length - 1, to));
  show();
  at("trace").scrollIntoView({ block: "nearest" });
}

// A label was given before: go on to the next trace that has none.
function onward() {
  for (let step = 1; step <= draw.rows.length; step++) {
    const place = (position + step) % draw.rows.length;
    if (!(draw.rows[place].key in labels)) return move(place);
  }
  show("every trace has a label; save them");
}

function save() {
  const lines = draw.rows.filter((row) => row.key in labels).map((row) => JSON.stringify({ draw: draw.id, key: row.key, label: labels[row.key] }) + "\n");
  const link = element("a", "");
  link.href = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
  link.download = `labels-${draw.id}.jsonl`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  show(`saved ${lines.length} labels to labels-${draw.id}.jsonl`);
}

function show(note = "") {
  const row = draw.rows[position];
  const label = labels[row.key];
  const count = draw.rows.filter((each) => each.key in labels).length;
  at("done").style.width = `${(100 * count) / draw.rows.length}%`;
  at("state").textContent = [`trace ${position + 1} of ${draw.rows.length}`, `${count} labelled`, note].filter(Boolean).join(", ");
  for (const button of at("labels").children) button.setAttribute("aria-pressed", String(button.dataset.label === label));
  const reference = JSON.parse(row.reference);
  const hasAnswer = row.has_answer;
  const text = (value) => (raw ? rawText(value) : hasAnswer || value.includes("```") ? renderedText(value) : code(value));
  const parts = [element("h3", "", "Prompt")];
  for (const message of row.prompt) parts.push(row.prompt.length > 1 ? element("span", "c", message.role) : "", raw ? rawText(message.content) : renderedText(message.content));
  const answers = element("div", hasAnswer ? "answers two" : "answers");
  if (hasAnswer) answers.append(element("div", "", element("span", "c", "extracted answer"), row.answer ? (raw ? rawText(row.answer) : answerText(row.answer, true)) : element("div", "c", "none")));
  answers.append(element("div", "", element("span", "c", "reference"), referenceNode(reference, hasAnswer)));
  parts.push(element("h3", "", "Completion"), text(row.completion), element("h3", "", "Answer"), answers);
  if (label) parts.push(verdictNode(row, label));
  at("trace").replaceChildren(...parts);
}

function referenceNode(reference, hasAnswer) {
  if (typeof reference.answer === "string") return raw ? rawText(reference.answer) : answerText(reference.answer, hasAnswer);
  if (typeof reference.code === "string") return code(reference.code);
  return element("pre", "text", JSON.stringify(reference, null, 1));
}

function verdictNode(row, label) {
  const against = (row.outcome === "correct" && label === "wrong") || (row.outcome === "wrong" && label === "right");
  const node = element("div", against ? "against" : "", element("b", row.outcome, row.outcome), ` ${row.reason.replaceAll("_", " ")}, ${row.verifier}, selection: ${row.selection.replaceAll("_", " ")}`);
  node.id = "verdict";
  for (const doubt of row.doubts) node.append(element("div", "", `⚑ ${doubt}`));
  if (!row.has_answer && row.outcome !== "correct") node.append(element("div", "", `the verifier's account: ${row.answer}`));
  return node;
}

const ACTIONS = {
  p: () => move(position - 1), n: () => move(position + 1), g: onward, z: undo, s: save,
  t: () => { raw = !raw; show(); },
  ArrowLeft: () => move(position - 1), ArrowRight: () => move(position + 1),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const action = LABELS[event.key] ? () => put(LABELS[event.key]) : ACTIONS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

for (const [key, label] of Object.entries(LABELS)) {
  const button = element("button", "", TITLES[label], element("kbd", "", key));
  button.type = "button";
  button.dataset.label = label;
  button.addEventListener("click", () => put(label));
  at("labels").append(button);
}
for (const [id, key] of Object.entries({ previous: "p", next: "n", open: "g", undo: "z", raw: "t", save: "s" })) at(id).addEventListener("click", ACTIONS[key]);
const first = draw.rows.findIndex((row) => !(row.key in labels));
position = first < 0 ? 0 : first;
show();
document.documentElement.dataset.ready = "1";
