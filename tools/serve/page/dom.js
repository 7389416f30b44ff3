// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Small helpers for elements, and the three ways in which the page speaks to its user: a line for screen readers, a
// short note with an undo, and a question.

export const byId = (id) => document.getElementById(id);

// An element with properties, `data` and `aria` attributes, and children (nodes or text).
export function make(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key === 'data') Object.assign(node.dataset, value);
    else if (key === 'class') node.className = value;
    else if (key.startsWith('aria') || key === 'role' || key === 'for') node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const kSvg = 'http://www.w3.org/2000/svg';

export function icon(name) {
  const svg = document.createElementNS(kSvg, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(kSvg, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

export function setIcon(button, name, label) {
  button.querySelector('use').setAttribute('href', `#i-${name}`);
  if (label) {
    button.setAttribute('aria-label', label);
    button.title = label;
  }
}

export function iconButton(name, label, act) {
  return make('button', {
    type: 'button', class: 'icon-button', title: label, 'aria-label': label, data: act ? {act} : {},
  }, icon(name));
}

// Has screen readers say `text` once. The line is emptied first, so that the same words are said again.
let speaking = 0;
export function announce(text) {
  byId('status').textContent = '';
  clearTimeout(speaking);
  speaking = setTimeout(() => { byId('status').textContent = text; }, 100);
}

// Shows `text` for some seconds; `action`: {label, run}.
export function toast(text, action = null) {
  const node = make('div', {class: 'toast'}, make('span', {dir: 'auto'}, text));
  const close = () => node.remove();
  if (action) {
    const button = make('button', {type: 'button', class: 'plain'}, action.label);
    button.addEventListener('click', () => {
      close();
      action.run();
    });
    node.append(button);
  }
  byId('toasts').replaceChildren(node);  // one at a time: an older undo no longer fits
  announce(action ? `${text} ${action.label} is at the end of the page.` : text);
  let timer = setTimeout(close, action ? 20000 : 5000);
  // Whoever reaches for it has the time to.
  for (const event of ['mouseenter', 'focusin']) node.addEventListener(event, () => clearTimeout(timer));
  for (const event of ['mouseleave', 'focusout']) {
    node.addEventListener(event, () => { timer = setTimeout(close, 5000); });
  }
}

// Asks; true when the answer is `yes`. Cancel has the focus: Enter alone destroys nothing.
export function ask(title, text, yes) {
  const dialog = byId('ask');
  byId('ask-title').textContent = title;
  byId('ask-text').textContent = text;
  byId('ask-yes').textContent = yes;
  dialog.returnValue = 'no';
  dialog.showModal();
  byId('ask-no').focus();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), {once: true});
  });
}

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Not allowed, or a page over plain HTTP from another machine, which has no clipboard object.
  }
  const field = make('textarea', {value: text, class: 'visually-hidden', readOnly: true});
  const before = document.activeElement;
  // Inside an open dialog nothing outside can be selected.
  (document.querySelector('dialog[open]') ?? document.body).append(field);
  field.select();
  const copied = document.execCommand('copy');
  field.remove();
  before?.focus?.({preventScroll: true});
  return copied;
}

export function download(blob, name) {
  const link = make('a', {href: URL.createObjectURL(blob), download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// True while an input method composes: its Enter and Escape are not ours. Safari ends the composition before the key
// comes, and marks that key with 229.
export const composing = (event) => event.isComposing || event.keyCode === 229;
