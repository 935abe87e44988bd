// One open trace: prompt, completion, extracted answer and reference side by side.

function drawTrace(trace, row) {
  const notes = suspicious.get(row) || [];
  const head = element("div", "head",
    element("b", trace.outcome, trace.outcome), element("span", "", trace.reason.replaceAll("_", " ")), ...(trace.selection === "held out" ? [] : [element("span", "", trace.selection.replaceAll("_", " "))]),
    element("span", "", `${trace.arm}, ${whenSampled(row)}, sample ${trace.sample_index}`),
    button("previous", "key p", () => open(position - 1)), button("next", "key n", () => open(position + 1)),
    button(raw ? "render" : "raw", "key r", KEYS.r), button(at("task").value ? "all tasks" : "only this task", "key t", toggleTask),
    ...notes.map((note) => element("div", "notes", `⚑ ${note}`)));
  const task = element("div", "", element("h3", "", "Prompt"), ...trace.prompt.map((message) => promptMessage(message, trace.prompt.length > 1)),
    element("h3", "", "Answer"), answers(trace));
  const written = element("div", "completion", element("h3", "", "Completion"), completion(trace));
  const about = element("div", "", element("h3", "", "All samples of this task"), siblings(row), element("h3", "", "Figures"), facts(trace));
  at("trace").replaceChildren(head, element("div", "sides", task, written, about));
}

function button(label, title, action) {
  const node = element("button", "", label);
  node.type = "button";
  node.title = title;
  node.addEventListener("click", action);
  return node;
}

function promptMessage(message, withRole) {
  const text = raw ? rawText(message.content) : renderedText(message.content);
  return withRole ? element("div", "", element("span", "c", message.role), text) : text;
}

function completion(trace) {
  if (raw) return rawText(trace.completion);
  return trace.traits.is_prose || trace.completion.includes("```") ? renderedText(trace.completion) : code(trace.completion);
}

function answers(trace) {
  const { ability, has_answers: hasAnswers } = trace.traits, isMath = ability === "math";
  const extracted = trace.answer ? (raw ? rawText(trace.answer) : answerText(trace.answer, isMath)) : element("div", "c", "none");
  const label = hasAnswers && trace.outcome !== "undecided" ? "extracted" : "the verifier's account";
  return element("div", hasAnswers ? "answers two" : "answers", element("div", "", element("span", "c", label), extracted), element("div", "", element("span", "c", "reference"), reference(trace.reference, isMath)));
}

function reference(given, isMath) {
  if (typeof given.answer === "string") return raw ? rawText(given.answer) : answerText(given.answer, isMath);
  if (given.kind === "assert_tests") return code(given.code);
  if (given.kind !== "function_tests" && given.kind !== "stdio_tests") {
    const rows = Object.entries(given).filter(([key]) => key !== "kind").map(([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
    return element("pre", "text", rows.join("\n"));
  }
  const line = (value) => (value.stdin === undefined ? `${given.entry_point}(${value.args.map((arg) => JSON.stringify(arg)).join(", ")}) → ${JSON.stringify(value.expected)}` : `${value.stdin}→ ${value.stdout}`);
  return element("pre", "text", given.cases.map(line).join("\n"));
}

// One square a sample of the task, over all arms and rounds.
function siblings(row) {
  const out = element("div", "siblings");
  let group = "";
  for (const sibling of rowsOfTask.get(index.task[row])) {
    const name = `${index.arms.length > 1 ? `${index.arms[index.arm[sibling]]}, ` : ""}${whenSampled(sibling)}`;
    if (name !== group) out.append(element("span", "", name));
    group = name;
    const outcome = named("outcome", sibling);
    const square = button("", `sample ${index.sample[sibling]}: ${outcome}, ${index.answer[sibling]}`, () => openRow(sibling));
    square.className = outcome + (sibling === row ? " here" : "");
    out.append(square);
  }
  return out;
}

// Opens a row, out of the filter's way where that hides it.
async function openRow(row) {
  if (!shown.includes(row)) {
    at("filters").reset();
    await applyFilters();
  }
  await open(shown.indexOf(row));
}

function facts(trace) {
  const perToken = trace.cumulative_logprob === null || !trace.completion_tokens ? "" : `${(trace.cumulative_logprob / trace.completion_tokens).toFixed(3)} nats a token`;
  const rows = {
    task: trace.task_id, source: trace.source, tokens: trace.completion_tokens ? `${trace.prompt_tokens} prompt, ${trace.completion_tokens} completion` : "",
    finish: trace.finish_reason, "log-probability": perToken, check: `${trace.verifier}, ${(trace.verify_seconds * 1000).toPrecision(2)} ms`, model: trace.model, seed: trace.seed,
    ...trace.metadata,
  };
  const out = element("dl", "facts");
  for (const [name, value] of Object.entries(rows)) if (value !== "" && value !== null) out.append(element("dt", "", name), element("dd", "", factValue(value)));
  return out;
}

// Long text, such as a source's own solution, is folded.
function factValue(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (text.length < 80) return text;
  return element("details", "", element("summary", "", `${text.length} characters`), raw ? rawText(text) : renderedText(text));
}
