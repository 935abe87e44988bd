// Model text to nodes: formulas by KaTeX where the page carries it, code with colours, all else as text. Nothing that a
// model wrote is ever parsed as HTML.

const FORMULA_LIMIT = 4000; // characters; what is longer stays text
const CODE_LIMIT = 100000;
const SEARCH_LIMIT = 2000000; // characters of one text that are looked through for the ends of formulas
let searched = 0;
const PAIRS = [["$$", "$$", true], ["\\[", "\\]", true], ["\\(", "\\)", false]];
const ENVIRONMENT = /^\\begin\{((?:align|equation|gather|multline|cases|[pbv]?matrix|array|aligned|gathered)\*?)\}/;
const LATEX = /\\(?!boxed)[a-zA-Z]{2,}|\\[([]|\$[^$\n]{0,80}\\boxed/;
const PYTHON = /(#[^\n]*)|("""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|\b(def|class|return|if|elif|else|for|while|in|not|and|or|is|import|from|as|with|try|except|finally|raise|pass|break|continue|lambda|yield|global|nonlocal|assert|async|await|del|None|True|False)\b|\b(\d[\d_.]*)\b/g;

function element(name, className, ...children) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function rawText(text) {
  return element("div", "text", text);
}

// Prose with formulas and fenced code.
function renderedText(text) {
  searched = 0;
  const out = element("div", "text");
  const fence = /^```([\w+-]*)[^\n]*\n([\s\S]*?)(?:^```[ \t]*$|$(?![\s\S]))/gm;
  let end = 0;
  for (const match of text.matchAll(fence)) {
    appendProse(out, text.slice(end, match.index));
    out.append(code(match[2]));
    end = match.index + match[0].length;
  }
  appendProse(out, text.slice(end));
  return out;
}

function code(text) {
  const pre = element("pre", "text");
  if (text.length > CODE_LIMIT) {
    pre.append(text);
    return pre;
  }
  let end = 0;
  for (const match of text.matchAll(PYTHON)) {
    const kind = match[1] ? "c" : match[2] ? "s" : match[3] ? "k" : "d";
    pre.append(text.slice(end, match.index), element("span", kind, match[0]));
    end = match.index + match[0].length;
  }
  pre.append(text.slice(end));
  return pre;
}

function appendProse(out, text) {
  const isLatex = LATEX.test(text);
  let plain = 0;
  for (let at = 0; at < text.length; ) {
    if (text.startsWith("\\$", at)) {
      at += 2;
      continue;
    }
    const found = text[at] === "$" || text[at] === "\\" ? formulaAt(text, at, isLatex) : null;
    if (!found) {
      at += 1;
      continue;
    }
    out.append(text.slice(plain, at), formula(found.tex, found.display, text.slice(at, found.end)));
    at = plain = found.end;
  }
  out.append(text.slice(plain));
}

// The formula that starts at a place of the text, or null.
function formulaAt(text, at, isLatex) {
  for (const [open, close, display] of PAIRS) {
    if (text.startsWith(open, at)) {
      const end = near(text, close, at + open.length);
      return end > at + open.length ? { tex: text.slice(at + open.length, end), end: end + close.length, display } : null;
    }
  }
  if (text[at] === "$") return dollarFormula(text, at, isLatex);
  const environment = text.slice(at, at + 30).match(ENVIRONMENT);
  if (environment) {
    const close = `\\end{${environment[1]}}`;
    const end = near(text, close, at);
    return end < 0 ? null : { tex: text.slice(at, end + close.length), end: end + close.length, display: true };
  }
  if (text.startsWith("\\boxed{", at)) {
    const end = closingBrace(text, at + 6);
    return end < at + 8 ? null : { tex: text.slice(at, end + 1), end: end + 1, display: false };
  }
  return null;
}

// Where a text stands next, if that is near: formulas that never end must not cost a search of the whole text each time.
function near(text, wanted, from) {
  if (searched > SEARCH_LIMIT) return -1;
  const found = text.slice(from, from + FORMULA_LIMIT).indexOf(wanted);
  searched += found < 0 ? FORMULA_LIMIT : found;
  return found < 0 ? -1 : from + found;
}

// A formula between single dollars. In a text without LaTeX commands a dollar is often money, and more must speak for a
// formula there.
function dollarFormula(text, at, isLatex) {
  let end = near(text, "$", at + 1);
  while (end > 0 && text[end - 1] === "\\") end = near(text, "$", end + 1);
  if (end < 0 || end - at > FORMULA_LIMIT) return null;
  const tex = text.slice(at + 1, end);
  if (/^\s|\s$|\n\n/.test(tex) || tex === "") return null;
  if (!isLatex) {
    const isOpen = /^[=+*\/]|[=+\-*\/(]$|\n/.test(tex) || /\d/.test(text[end + 1] || "");
    const isMoney = /^[\d.,]+\s*[^\\^_{}]*$/.test(tex) && !/^[\d.,]+$/.test(tex);
    const isShort = /^[A-Za-z0-9.,()[\]|!':; ]{1,24}$/.test(tex) && !/[A-Za-z]{4}|[A-Za-z] [A-Za-z]/.test(tex);
    if (isOpen || isMoney || !(isShort || /[\\^_={}+\-*\/<>]/.test(tex))) return null;
  }
  return { tex, end: end + 1, display: false };
}

function closingBrace(text, open) {
  let depth = 0;
  for (let at = open; at < text.length && at - open < FORMULA_LIMIT && searched < SEARCH_LIMIT; at++) {
    searched++;
    if (text[at] === "\\") at++;
    else if (text[at] === "{") depth++;
    else if (text[at] === "}" && --depth === 0) return at;
  }
  return -1;
}

// A formula as MathML; what KaTeX cannot read stays as it was written.
function formula(tex, display, source) {
  if (typeof katex === "undefined" || tex.length > FORMULA_LIMIT) return document.createTextNode(source);
  const out = element("span");
  try {
    katex.render(tex, out, { output: "mathml", displayMode: display, throwOnError: true, trust: false, strict: "ignore", maxSize: 20, maxExpand: 500 });
  } catch (error) {
    return element("span", "error", source);
  }
  out.title = source;
  return out;
}

// A final answer, which is LaTeX without delimiters or plain text.
function answerText(text, isMath) {
  return isMath && /[\\^_{]/.test(text) ? element("div", "text", formula(text, true, text)) : rawText(text);
}
