// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Conversations as a JSON file, to keep or to move to another browser. A file that comes in is checked value by value:
// it may be from anywhere.

import {kSampling, newId, samplingFault} from './conversation.js';
import {fromDataUrl, toDataUrl} from './pictures.js';

const kFormat = 'gemma3-conversations';
const kVersion = 1;

// A Blob with the conversations of `ids`.
export async function exportConversations(store, ids) {
  const pieces = [];
  for (const id of ids) {
    const loaded = await store.conversation(id);
    if (!loaded) continue;
    const messages = [];
    for (const message of loaded.messages) {
      const pictures = [];
      for (const pictureId of message.pictures) {
        const picture = await store.picture(pictureId);
        if (picture) pictures.push({name: picture.name, data: await toDataUrl(picture.blob)});
      }
      messages.push({...message, pictures});
    }
    pieces.push(JSON.stringify({...loaded.record, messages}));
  }
  const head = `{"format":"${kFormat}","version":${kVersion},"exported":"${new Date().toISOString()}"`;
  return new Blob([head, ',"conversations":[\n', pieces.join(',\n'), '\n]}\n'], {type: 'application/json'});
}

const isText = (value) => typeof value === 'string';
const textOr = (value, other) => (isText(value) ? value : other);
const numberOr = (value, other) => (Number.isFinite(value) ? value : other);

function checkedSettings(value) {
  const settings = {system: textOr(value?.system, '')};
  for (const field of kSampling) {
    const setting = value?.[field.name];
    if (typeof setting === 'number' && samplingFault(field, String(setting)) === null) {
      settings[field.name] = setting;
    }
  }
  return settings;
}

// One conversation of a file as records under new ids (so that an import never replaces what is there), or null.
function checkedConversation(value) {
  if (!value || typeof value !== 'object' || !Array.isArray(value.messages)) return null;
  const ids = new Map();
  for (const message of value.messages) {
    if (!isText(message?.id) || ids.has(message.id) || !isText(message.text)) return null;
    if (message.role !== 'user' && message.role !== 'assistant') return null;
    ids.set(message.id, newId());
  }
  const id = newId();
  const now = Date.now();
  const messages = [];
  const pictures = [];
  for (const message of value.messages) {
    // A parent that is not there would make the message unreachable; so would a circle, which reachable() finds.
    if (message.parent !== null && !ids.has(message.parent)) return null;
    const kept = [];
    for (const picture of Array.isArray(message.pictures) ? message.pictures : []) {
      const blob = isText(picture?.data) ? fromDataUrl(picture.data) : null;
      if (!blob) return null;
      const record = {id: newId(), conversation: id, name: textOr(picture.name, 'picture'), blob};
      pictures.push(record);
      kept.push(record.id);
    }
    messages.push({
      id: ids.get(message.id), conversation: id, parent: message.parent === null ? null : ids.get(message.parent),
      active: ids.get(message.active) ?? null, role: message.role, text: message.text, pictures: kept,
      created: numberOr(message.created, now), model: textOr(message.model, null),
      finish: textOr(message.finish, null),
    });
  }
  if (reachable(messages) !== messages.length) return null;
  const record = {
    id, title: textOr(value.title, ''), created: numberOr(value.created, now), updated: numberOr(value.updated, now),
    settings: checkedSettings(value.settings), active: ids.get(value.active) ?? null,
  };
  return {record, messages, pictures};
}

// How many of `messages` hang on the top: those of a circle do not.
function reachable(messages) {
  const children = new Map();
  for (const message of messages) {
    if (!children.has(message.parent)) children.set(message.parent, []);
    children.get(message.parent).push(message.id);
  }
  const found = [null];
  for (let i = 0; i < found.length; ++i) found.push(...(children.get(found[i]) ?? []));
  return found.length - 1;
}

// Adds the conversations of `file`. Returns their number, or throws an Error whose message is for the user; then
// nothing was added.
export async function importConversations(store, file) {
  let value;
  try {
    value = JSON.parse(await file.text());
  } catch {
    throw new Error(`“${file.name}” is not JSON.`);
  }
  if (value?.format !== kFormat || !Array.isArray(value.conversations)) {
    throw new Error(`“${file.name}” holds no conversations of this page.`);
  }
  if (!(value.version <= kVersion)) throw new Error(`“${file.name}” was made by a newer version of this page.`);
  const put = {conversations: [], messages: [], pictures: []};
  for (const [index, conversation] of value.conversations.entries()) {
    const checked = checkedConversation(conversation);
    if (!checked) throw new Error(`Conversation ${index + 1} of “${file.name}” is damaged. Nothing was imported.`);
    put.conversations.push(checked.record);
    put.messages.push(...checked.messages);
    put.pictures.push(...checked.pictures);
  }
  await store.change({put});
  return put.conversations.length;
}
