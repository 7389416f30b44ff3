// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Shows a model's Markdown. What a model writes is not to be trusted: it may repeat what a document or a picture told
// it. So no text ever passes through HTML. markdown-it only parses, and the tokens that are known here become elements;
// all else becomes text. Links lead to http and https only, and a picture from elsewhere is a link, because
// loading it would tell its server who reads what.
//
// While an answer grows, only its end is parsed again: see Show().

import MarkdownIt from './vendor/markdown-it.js';

const parser = new MarkdownIt({html: false, linkify: true, typographer: false, maxNesting: 40});
parser.linkify.set({fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false});
parser.validateLink = (url) => webAddress(url) !== null;

// The address if it leads to the web, else null.
function webAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : null;
  } catch {
    return null;
  }
}

// Formulas stay as they were written: Markdown would take their underscores and backslashes for its own.
function formula(state, silent) {
  const text = state.src;
  const start = state.pos;
  let open = null;
  let close = null;
  if (text.startsWith('\\(', start)) [open, close] = ['\\(', '\\)'];
  else if (text.startsWith('\\[', start)) [open, close] = ['\\[', '\\]'];
  else if (text.startsWith('$$', start)) [open, close] = ['$$', '$$'];
  else if (text[start] === '$') [open, close] = ['$', '$'];
  else return false;
  const end = text.indexOf(close, start + open.length);
  if (end < 0 || end + close.length > state.posMax || end === start + open.length) return false;
  const inner = text.slice(start + open.length, end);
  if (open === '$') {
    // "$5 and $6" are prices: a formula touches its signs, is on one line, and no digit follows it.
    if (/^\s|\s$|\n/u.test(inner) || /[0-9]/u.test(text[end + 1] ?? '')) return false;
  }
  if (!silent) state.push('formula', '', 0).content = text.slice(start, end + close.length);
  state.pos = end + close.length;
  return true;
}
parser.inline.ruler.before('escape', 'formula', formula);

const kElements = {
  paragraph: 'p', blockquote: 'blockquote', bullet_list: 'ul', ordered_list: 'ol', list_item: 'li',
  thead: 'thead', tbody: 'tbody', tr: 'tr', th: 'th', td: 'td', strong: 'strong', em: 'em', s: 's',
};

function element(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// The language of a text where its script tells: fonts and line breaks differ.
export function languageOf(text) {
  if (/[\uac00-\ud7af]/u.test(text)) return 'ko';
  if (/[\u3040-\u30ff]/u.test(text)) return 'ja';
  if (/[\u4e00-\u9fff]/u.test(text)) return 'zh';
  return '';
}

function codeBlock(text, info) {
  const language = info.trim().split(/\s+/u)[0];
  const block = element('div', 'code');
  block.dir = 'ltr';
  const head = element('div', 'code-head');
  head.append(element('span', 'code-language', language));
  const copy = element('button', 'copy-code', 'Copy');
  copy.type = 'button';
  copy.dataset.act = 'copy-code';
  copy.setAttribute('aria-label', language ? `Copy the ${language} code` : 'Copy the code');
  head.append(copy);
  const pre = element('pre');
  pre.tabIndex = 0;  // wide code scrolls by keyboard
  pre.append(element('code', '', text.replace(/\n$/u, '')));
  block.append(head, pre);
  return block;
}

function link(address) {
  const node = element('a');
  node.href = address;
  node.target = '_blank';
  node.rel = 'noopener noreferrer nofollow';
  return node;
}

function remotePicture(token) {
  const label = `Picture: ${token.content || 'no description'}`;
  const address = webAddress(token.attrGet('src') ?? '');
  if (address === null) return element('span', 'remote-picture', label);
  const node = link(address);
  node.className = 'remote-picture';
  node.textContent = label;
  node.title = address;
  return node;
}

function leaf(token) {
  switch (token.type) {
    case 'text':
    case 'text_special':
      return document.createTextNode(token.content);
    case 'softbreak':
      return document.createTextNode('\n');
    case 'hardbreak':
      return element('br');
    case 'hr':
      return element('hr');
    case 'code_inline':
      return element('code', 'inline', token.content);
    case 'formula': {
      const node = element('span', 'formula', token.content);
      node.dir = 'ltr';
      return node;
    }
    case 'code_block':
      return codeBlock(token.content, '');
    case 'fence':
      return codeBlock(token.content, token.info);
    case 'image':
      return remotePicture(token);
    default:
      return document.createTextNode(token.content ?? '');
  }
}

// The outer and the inner element of an opening token: children go into the inner one.
function opened(token) {
  const name = token.type.slice(0, -'_open'.length);
  if (name === 'heading') {
    // The page's own headings stand above those of an answer.
    const level = Number(token.tag.slice(1));
    const node = element(`h${Math.min(level + 2, 6)}`, `level-${level}`);
    return [node, node];
  }
  if (name === 'link') {
    const address = webAddress(token.attrGet('href') ?? '');
    const node = address === null ? element('span') : link(address);
    return [node, node];
  }
  if (name === 'table') {
    const frame = element('div', 'table');
    frame.tabIndex = 0;
    const table = element('table');
    frame.append(table);
    return [frame, table];
  }
  const node = element(Object.hasOwn(kElements, name) ? kElements[name] : 'span');
  if (name === 'ordered_list' && token.attrGet('start') !== null) {
    node.start = Number(token.attrGet('start'));
  }
  if (name === 'th' || name === 'td') {
    const align = /(left|right|center)/u.exec(token.attrGet('style') ?? '');
    if (align) node.className = `align-${align[1]}`;
  }
  return [node, node];
}

function append(tokens, root) {
  const open = [root];
  for (const token of tokens) {
    if (token.type === 'inline') {
      append(token.children, open.at(-1));
    } else if (token.nesting === 1) {
      if (token.hidden) {  // the paragraphs of a tight list
        open.push(open.at(-1));
        continue;
      }
      const [outer, inner] = opened(token);
      open.at(-1).append(outer);
      open.push(inner);
    } else if (token.nesting === -1) {
      open.pop();
    } else {
      open.at(-1).append(leaf(token));
    }
  }
}

// The top-level blocks of `text`: [{node, line}], `line` where each begins.
function blocks(text) {
  const tokens = parser.parse(text, {});
  const found = [];
  for (let begin = 0; begin < tokens.length;) {
    let end = begin + 1;
    for (let depth = tokens[begin].nesting; depth > 0; ++end) depth += tokens[end].nesting;
    const holder = document.createDocumentFragment();
    append(tokens.slice(begin, end), holder);
    const node = holder.firstChild;
    // Each block has its own direction, by its first strong letter (what is inside follows line by line: page.css).
    if (!node.dir) node.dir = 'auto';
    const language = languageOf(node.textContent);
    if (language) node.lang = language;
    found.push({node, line: tokens[begin].map[0]});
    begin = end;
  }
  return found;
}

function sameKind(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && a.className === b.className;
}

// Makes `from` equal to `to` with as few changes as there are, so that a selection, the focus and what was scrolled
// survive while an answer grows.
function morph(from, to) {
  if (from.nodeType === Node.TEXT_NODE) {
    if (from.data === to.data) return;
    if (to.data.startsWith(from.data)) from.appendData(to.data.slice(from.data.length));
    else from.data = to.data;
    return;
  }
  for (const {name} of Array.from(from.attributes)) {
    if (!to.hasAttribute(name)) from.removeAttribute(name);
  }
  for (const {name, value} of to.attributes) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  morphChildren(from, Array.from(to.childNodes), 0);
}

function morphChildren(parent, wanted, first) {
  let at = parent.childNodes[first] ?? null;
  for (const node of wanted) {
    if (at === null) {
      parent.append(node);
      continue;
    }
    const next = at.nextSibling;
    if (sameKind(at, node)) morph(at, node);
    else at.replaceWith(node);
    at = next;
  }
  while (at !== null) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// The offset at which line `line` of `text` begins, with markdown-it's idea of a line end.
function lineOffset(text, line) {
  const ends = /\r\n?|\n/gu;
  for (; line > 0; --line) ends.exec(text);
  return ends.lastIndex;
}

// How many blocks at the end may still change when more text comes. The last one grows; the one before it can join
// the last one ("1. a", a blank line and "2" become one list when the dot arrives).
const kUnsettled = 2;

export class MarkdownView {
  #root;
  #shown = '';
  #settledChars = 0;   // of #shown: never parsed again while the text only grows
  #settledBlocks = 0;  // children of #root that these became

  constructor(root) {
    this.#root = root;
  }

  // Shows `text`. With `final` all of it is parsed: a link may be defined below its use.
  show(text, final) {
    if (final || !text.startsWith(this.#shown)) this.#settledChars = this.#settledBlocks = 0;
    this.#shown = text;
    const tail = text.slice(this.#settledChars);
    const found = blocks(tail);
    morphChildren(this.#root, found.map(({node}) => node), this.#settledBlocks);
    const settled = found.length - kUnsettled;
    if (!final && settled > 0) {
      this.#settledChars += lineOffset(tail, found[settled].line);
      this.#settledBlocks += settled;
    }
  }
}
