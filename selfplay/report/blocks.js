// The data of the page: an index that is read at once, and blocks of text that are read when they are needed.

const KEPT_BLOCKS = 800; // unpacked blocks that stay in memory, of 200,000 characters each
const blockNodes = document.querySelectorAll("script.block");
const unpacked = new Map(); // block number to its content

async function unpack(node) {
  const binary = atob(node.textContent);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

async function block(number) {
  let content = unpacked.get(number);
  if (!content) {
    content = await unpack(blockNodes[number]);
    if (unpacked.size >= KEPT_BLOCKS) unpacked.delete(unpacked.keys().next().value);
    unpacked.set(number, content);
  }
  return content;
}

// The block that holds a row: the last that starts at or before it.
function blockOf(row) {
  let low = 0, high = index.starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (index.starts[middle] <= row) low = middle;
    else high = middle - 1;
  }
  return low;
}

// The value of a column that the index holds as a number of a list of names.
function named(column, row) {
  return index.names[column][index[column][row]];
}

// All that is known of a row; names as in a shard.
async function traceOf(row) {
  const number = blockOf(row);
  const { tasks, rows } = await block(number);
  const [completion, answer, promptTokens, logprob, seed, seconds] = rows[row - index.starts[number]];
  const task = index.task[row];
  return {
    set: named("set", row), arm: index.arms[index.arm[row]], round: index.round[row], task_id: index.tasks.id[task], source: index.tasks.source[task],
    sample_index: index.sample[row], outcome: named("outcome", row), reason: named("reason", row), answer, selection: named("selection", row),
    prompt: tasks[task].prompt, reference: tasks[task].reference, traits: tasks[task].traits, metadata: tasks[task].metadata, completion,
    finish_reason: named("finish_reason", row), prompt_tokens: promptTokens, completion_tokens: index.tokens[row],
    cumulative_logprob: logprob, seed, model: named("model", row), verifier: named("verifier", row), verify_seconds: seconds,
  };
}

// The rows whose prompt, completion or answer holds the text; `show(done, all)` is called as blocks are read.
async function rowsWith(text, rows, isCurrent, show) {
  const wanted = text.toLowerCase();
  const byBlock = new Map();
  for (const row of rows) {
    const number = blockOf(row);
    if (!byBlock.has(number)) byBlock.set(number, []);
    byBlock.get(number).push(row);
  }
  const found = new Set();
  let done = 0;
  for (const [number, members] of byBlock) {
    const { tasks, rows: texts } = await block(number);
    if (!isCurrent()) return found;
    const inPrompt = new Map();
    for (const row of members) {
      const task = index.task[row];
      if (!inPrompt.has(task)) inPrompt.set(task, tasks[task].prompt.some((message) => message.content.toLowerCase().includes(wanted)));
      const [completion, answer] = texts[row - index.starts[number]];
      if (inPrompt.get(task) || completion.toLowerCase().includes(wanted) || answer.toLowerCase().includes(wanted)) found.add(row);
    }
    show(++done, byBlock.size);
  }
  return found;
}
