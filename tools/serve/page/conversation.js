// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A conversation is a tree: a message that was edited and sent again, and an answer that was asked for again,
// stand beside the ones before them, so that nothing is lost. What is shown is one path from the top to a leaf.
// Each message remembers which of its children was shown last.

// Not crypto.randomUUID: it is missing where the page comes over plain HTTP from another machine.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class Conversation {
  #children = null;  // parent's id -> its children in order; null: to be made again

  // record: {id, title, created, updated, settings, active}; messages: any iterable of
  // {id, conversation, parent, active, role, text, pictures, created, ...}
  constructor(record, messages = []) {
    this.record = record;
    this.messages = new Map();
    for (const message of messages) this.messages.set(message.id, message);
  }

  static begin(settings) {
    const now = Date.now();
    return new Conversation(
        {id: newId(), title: '', created: now, updated: now, settings, active: null});
  }

  get id() {
    return this.record.id;
  }

  children(parentId) {
    if (!this.#children) {
      this.#children = new Map();
      for (const message of this.messages.values()) {
        const group = this.#children.get(message.parent);
        if (group) group.push(message);
        else this.#children.set(message.parent, [message]);
      }
      for (const group of this.#children.values()) {
        group.sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
      }
    }
    return this.#children.get(parentId) ?? [];
  }

  // The messages that are shown, from the first to the last.
  path() {
    const path = [];
    let parent = null;
    let active = this.record.active;
    for (;;) {
      const children = this.children(parent);
      if (!children.length) return path;
      const next = children.find((child) => child.id === active) ?? children.at(-1);
      path.push(next);
      parent = next.id;
      active = next.active;
    }
  }

  siblings(message) {
    return this.children(message.parent);
  }

  // Shows `message` of its siblings. Returns the message whose record changed, null for the conversation's.
  choose(message) {
    const parent = message.parent === null ? null : this.messages.get(message.parent);
    (parent ?? this.record).active = message.id;
    return parent;
  }

  // Adds a message below `parent` (null: at the top) and shows it.
  add(parent, role, text, more = {}) {
    const message = {
      id: newId(), conversation: this.id, parent: parent?.id ?? null, active: null, role, text,
      pictures: [], created: Date.now(), ...more,
    };
    // Two messages of one millisecond keep their order.
    for (const sibling of this.siblings(message)) {
      message.created = Math.max(message.created, sibling.created + 1);
    }
    this.restore([message]);
    this.choose(message);
    return message;
  }

  // `message` and all that was said after it, on every branch.
  subtree(message) {
    const found = [message];
    for (let i = 0; i < found.length; ++i) found.push(...this.children(found[i].id));
    return found;
  }

  remove(messages) {
    for (const message of messages) this.messages.delete(message.id);
    this.#children = null;
    this.record.updated = Date.now();
  }

  // Puts messages (back) where they say they belong.
  restore(messages) {
    for (const message of messages) this.messages.set(message.id, message);
    this.#children = null;
    this.record.updated = Date.now();
  }

  // The title is what was asked first, until the user gives another.
  titleFromText() {
    const first = this.path().find((message) => message.role === 'user');
    const text = first?.text.trim().replace(/\s+/gu, ' ') ?? '';
    if (text === '') return first?.pictures.length ? 'A picture' : '';
    const characters = Array.from(text);
    return characters.length <= 60 ? text : `${characters.slice(0, 59).join('').trimEnd()}…`;
  }
}

// The settings that a request may carry: name in the request, what the page calls it, and its range. An empty field is
// not sent, so that the model's own defaults hold.
export const kSampling = [
  {name: 'temperature', label: 'Temperature', min: 0, max: 2, step: 0.1, hint: '0 is always the likeliest word'},
  {name: 'top_p', label: 'Top p', min: 0, max: 1, step: 0.05},
  {name: 'top_k', label: 'Top k', min: 0, max: 262144, step: 1, integer: true},
  {name: 'min_p', label: 'Min p', min: 0, max: 1, step: 0.01},
  {name: 'repeat_penalty', label: 'Repeat penalty', min: 0.1, max: 2, step: 0.05},
  {name: 'max_completion_tokens', label: 'Most tokens', min: 1, max: 131072, step: 1, integer: true},
  {name: 'seed', label: 'Seed', min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, integer: true,
   hint: 'the same seed gives the same answer'},
];

// null where `text` is a value of `field` or empty; else what is wrong with it.
export function samplingFault(field, text) {
  if (text.trim() === '') return null;
  const value = Number(text);
  const range = field.max === Number.MAX_SAFE_INTEGER ? `at least ${field.min}` : `from ${field.min} to ${field.max}`;
  if (!Number.isFinite(value) || value < field.min || value > field.max) return `${field.label} is a number ${range}.`;
  if (field.integer && !Number.isInteger(value)) return `${field.label} is a whole number.`;
  return null;
}

// The body of a request for the answer that follows `path`. `dataUrl(id)` gives a picture's data,
// and throws where it is gone: an answer to less than what was asked would look like one to all of it.
export async function toRequest(path, settings, model, dataUrl) {
  const messages = [];
  if (settings.system?.trim()) messages.push({role: 'system', content: settings.system});
  for (const message of path) {
    // An answer that failed before its first word says nothing.
    if (message.role === 'assistant' && message.text === '') continue;
    if (!message.pictures.length) {
      messages.push({role: message.role, content: message.text});
      continue;
    }
    const parts = [];
    for (const id of message.pictures) {
      parts.push({type: 'image_url', image_url: {url: await dataUrl(id)}});
    }
    if (message.text !== '') parts.push({type: 'text', text: message.text});
    messages.push({role: message.role, content: parts});
  }
  const body = {model, messages};
  for (const field of kSampling) {
    const value = settings[field.name];
    if (typeof value === 'number') body[field.name] = value;
  }
  return body;
}
