// Model text to nodes: formulas by KaTeX where the page carries it, code with colours, all else as text. Nothing that a
// model wrote is ever parsed as HTML.

const FORMULA_LIMIT = 4000; // characters; what is longer stays text
const CODE_LIMIT = 100000;
const PAIRS = [["$$", "$$", true], ["\\[", "\\]", true], ["\\(", "\\)", false]];
const ENVIRONMENT = /^\\begin\{((?:align|equation|gather|multline|cases|[pbv]?matrix|array|aligned|gathered)\*?)\}/;
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
  let plain = 0;
  for (let at = 0; at < text.length; ) {
    const found = text[at] === "$" || text[at] === "\\" ? formulaAt(text, at) : null;
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
function formulaAt(text, at) {
  for (const [open, close, display] of PAIRS) {
    if (text.startsWith(open, at)) {
      const end = text.indexOf(close, at + open.length);
      return end > at + open.length ? { tex: text.slice(at + open.length, end), end: end + close.length, display } : null;
    }
  }
  if (text[at] === "$") return dollarFormula(text, at);
  const environment = text.slice(at, at + 30).match(ENVIRONMENT);
  if (environment) {
    const close = `\\end{${environment[1]}}`;
    const end = text.indexOf(close, at);
    return end < 0 ? null : { tex: text.slice(at, end + close.length), end: end + close.length, display: true };
  }
  if (text.startsWith("\\boxed{", at)) {
    const end = closingBrace(text, at + 6);
    return end < at + 8 ? null : { tex: text.slice(at, end + 1), end: end + 1, display: false };
  }
  return null;
}

// A single dollar opens a formula only where it cannot be money.
function dollarFormula(text, at) {
  const line = text.indexOf("\n", at);
  const end = text.indexOf("$", at + 1);
  if (end < 0 || (line >= 0 && line < end)) return null;
  const tex = text.slice(at + 1, end);
  const tight = /^[^\s=+*\/]/.test(tex) && /[^\s=+\-*\/(]$/.test(tex) && !/\d/.test(text[end + 1] || "");
  const isMoney = /^[\d.,]+\s*[^\\^_{}]*$/.test(tex) && !/^[\d.,]+$/.test(tex);
  return tight && !isMoney && (/[\\^_={}+\-*\/<>]/.test(tex) || /^[A-Za-z0-9.,]{1,12}$/.test(tex)) ? { tex, end: end + 1, display: false } : null;
}

function closingBrace(text, open) {
  let depth = 0;
  for (let at = open; at < text.length && at - open < FORMULA_LIMIT; at++) {
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
