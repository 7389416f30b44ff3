// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The page: what is open, what is being answered, and what the buttons do. Its parts:
//   api.js           the server               conversation.js  the tree of messages, and requests
//   store.js         IndexedDB                transfer.js      export and import
//   markdown.js      a model's text           message_view.js  one message
//   composer.js      where messages are written, with pictures.js
//   run.js           the computing of one answer
//   dom.js           small helpers

import {ApiError, listModels} from './api.js';
import {Composer} from './composer.js';
import {Conversation, kSampling, newId, samplingFault, toRequest} from './conversation.js';
import {announce, ask, byId, composing, copyText, download, icon, iconButton, make, setIcon, toast} from './dom.js';
import {MessageView} from './message_view.js';
import {picturesIn, toDataUrl} from './pictures.js';
import {describeError, Run} from './run.js';
import {notes, openStore, StoreFull} from './store.js';
import {exportConversations, importConversations} from './transfer.js';

const kSaveEveryMs = 1500;
const narrow = matchMedia('(max-width: 52rem)');

let store = null;
let models = [];
let model = '';
let key = notes.get('key', 'sessionStorage') ?? notes.get('key') ?? '';
let current = null;         // the Conversation that is shown
let views = new Map();      // message id -> MessageView, of `current`
const runs = new Map();     // conversation id -> {run, conversation}; one answer at a time in each
const pictureUrls = new Map();  // picture id -> promise of {url, name} or null
const newPictures = new Map();  // picture id -> its record, of pictures that came since the page was opened

// ---- What is kept

let storageNotice = false;

async function keep(change) {
  try {
    await store.change(change);
    if (storageNotice) {
      storageNotice = false;
      hideNotice();
    }
  } catch (error) {
    storageNotice = true;
    showNotice(error instanceof StoreFull ?
        'The browser’s storage is full: what is new is not kept. Export conversations and delete some.' :
        `The browser could not store this conversation (${error.message ?? error}). Export it to keep it.`);
  }
}

// A message keeps what the store can hold; a conversation is stored with its first message.
function keepMessages(conversation, messages) {
  return keep({put: {conversations: [conversation.record], messages}});
}

// A page that is left waits for no database: what its answers have since they were last stored is noted, and stored by
// the page that comes next.
function noteUnfinished() {
  const unfinished = [...runs.values()].map(({run}) => run.message);
  if (unfinished.length) notes.set('unfinished', JSON.stringify([...noted(), ...unfinished]));
}

function noted() {
  try {
    const messages = JSON.parse(notes.get('unfinished') ?? '[]');
    return Array.isArray(messages) ? messages : [];
  } catch {
    return [];
  }
}

async function keepUnfinished() {
  for (const message of noted()) {
    const stored = await store.conversation(message.conversation).catch(() => null);
    const known = stored?.messages.find(({id}) => id === message.id);
    if (stored && (known?.text ?? '').length < message.text.length) await keep({put: {messages: [message]}});
  }
  notes.set('unfinished', null);
}

// The settings that new conversations begin with.
function lastSettings() {
  try {
    const settings = JSON.parse(notes.get('settings') ?? '{}');
    return settings && typeof settings === 'object' ? settings : {};
  } catch {
    return {};
  }
}

// Pictures that were just taken do not depend on whether they could be stored.
async function pictureOf(id) {
  return newPictures.get(id) ?? store.picture(id);
}

function pictureUrl(id) {
  if (!pictureUrls.has(id)) {
    pictureUrls.set(id, pictureOf(id).then(
        (picture) => picture && {url: URL.createObjectURL(picture.blob), name: picture.name}, () => null));
  }
  return pictureUrls.get(id);
}

function forgetPictureUrls() {
  for (const promise of pictureUrls.values()) {
    promise.then((picture) => picture && URL.revokeObjectURL(picture.url));
  }
  pictureUrls.clear();
}

// ---- Notices above the messages

function showNotice(text, action = null) {
  const notice = byId('notice');
  notice.replaceChildren(icon('warning'), make('span', {}, text));
  if (action) {
    const button = make('button', {type: 'button', class: 'plain small'}, action.label);
    button.addEventListener('click', action.run);
    notice.append(button);
  }
  notice.hidden = false;
}

function hideNotice() {
  byId('notice').hidden = true;
}

// ---- Models and the key

let retryModels = 0;

async function loadModels() {
  clearTimeout(retryModels);
  try {
    models = await listModels({key});
  } catch (error) {
    if (error.kind === 'key') {
      if (await askForKey()) return loadModels();
      showNotice('The server asks for an API key.', {label: 'Enter a key', run: loadModels});
      return;
    }
    const {title, hint, detail} = describeError(error);
    showNotice([title, detail, error.kind === 'offline' ? 'Is “gemma3 serve” running? This page tries again by itself.' :
        hint].filter(Boolean).join(' '), {label: 'Try now', run: loadModels});
    retryModels = setTimeout(loadModels, 5000);
    return;
  }
  if (!storageNotice) hideNotice();
  if (!models.length) showNotice('The server has no model.', {label: 'Look again', run: loadModels});
  const kept = notes.get('model');
  model = models.some(({id}) => id === kept) ? kept : models[0]?.id ?? '';
  showModels();
}

function showModels() {
  const place = byId('model');
  if (models.length > 1) {
    const select = make('select', {'aria-label': 'Model', title: 'Model'});
    for (const {id} of models) select.append(make('option', {value: id, selected: id === model}, id));
    select.addEventListener('change', () => {
      model = select.value;
      notes.set('model', model);
      showModels.refused();
    });
    place.replaceChildren(select);
  } else {
    place.replaceChildren(model);
    place.title = model;
  }
  showModels.refused();
}

showModels.refused = () => {
  composer.picturesRefused = picturesRefused();
  byId('welcome-text').textContent = model === '' ? '' :
      picturesRefused() ? `${model} reads text.` : `${model} reads text and pictures.`;
};

function picturesRefused() {
  const entry = models.find(({id}) => id === model);
  return entry?.pictures === false ? `${model} reads text only.` : '';
}

let keyQuestion = null;

// One question at a time. True when a key was given.
function askForKey() {
  keyQuestion ??= new Promise((resolve) => {
    const dialog = byId('key-dialog');
    byId('key-hint').textContent = key ? 'The key that was used is not accepted. Whoever started the server can give you one.' :
        'Whoever started the server can give you one.';
    byId('key-field').value = '';
    byId('key-keep').checked = notes.get('key') !== null;
    dialog.returnValue = 'cancel';
    byId('key-cancel').onclick = () => dialog.close('cancel');
    dialog.showModal();
    byId('key-field').focus();
    dialog.addEventListener('close', () => {
      keyQuestion = null;
      const given = byId('key-field').value.trim();
      byId('key-field').value = '';
      const ok = dialog.returnValue === 'ok' && given !== '';
      if (ok) useKey(given, byId('key-keep').checked);
      resolve(ok);
    }, {once: true});
  });
  return keyQuestion;
}

function useKey(value, forLong) {
  key = value;
  notes.set('key', value, 'sessionStorage');
  notes.set('key', forLong ? value : null);
}

// ---- The list of conversations

let records = [];

async function loadList() {
  records = (await store.conversations()).sort((a, b) => b.updated - a.updated);
  showList();
}

function groupOf(time) {
  const midnight = new Date().setHours(0, 0, 0, 0);
  if (time >= midnight) return 'Today';
  if (time >= midnight - 86400000) return 'Yesterday';
  if (time >= midnight - 7 * 86400000) return 'The last week';
  return 'Earlier';
}

const titleOf = (record) => record.title || 'New conversation';

function showList() {
  const filter = byId('filter');
  filter.hidden = records.length < 8 && filter.value === '';
  const wanted = filter.value.trim().toLocaleLowerCase();
  const items = [];
  let group = '';
  for (const record of records) {
    if (wanted && !titleOf(record).toLocaleLowerCase().includes(wanted)) continue;
    if (groupOf(record.updated) !== group) {
      group = groupOf(record.updated);
      items.push(make('li', {class: 'group'}, group));
    }
    const open = record.id === current?.id;
    const link = make('a', {href: `#/${record.id}`, dir: 'auto', title: titleOf(record)}, titleOf(record));
    const item = make('li', {class: open ? 'open' : '', data: {id: record.id}}, link);
    if (open) {
      link.setAttribute('aria-current', 'page');
      item.append(make('span', {class: 'actions'}, iconButton('edit', 'Rename', 'rename'),
                       iconButton('export', 'Export', 'export'), iconButton('delete', 'Delete', 'remove')));
    }
    if (runs.has(record.id)) {
      item.classList.add('running');
      link.append(make('span', {class: 'visually-hidden'}, ' (being answered)'));
    }
    items.push(item);
  }
  byId('conversations').replaceChildren(...items);
  byId('title').textContent = current ? titleOf(current.record) : '';
  document.title = current?.record.title ? `${current.record.title} – gemma3` : 'gemma3';
}

function renameInList(item, record) {
  const field = make('input', {type: 'text', value: titleOf(record), dir: 'auto', 'aria-label': 'Title', maxLength: 200});
  let done = false;
  const end = (save) => {
    if (done) return;
    done = true;
    const title = field.value.trim();
    if (save && title && title !== record.title) {
      record.title = title;
      if (current?.id === record.id) current.record.title = title;
      keep({put: {conversations: [record]}});
    }
    showList();
    byId('conversations').querySelector('.open a')?.focus();
  };
  field.addEventListener('keydown', (event) => {
    if (composing(event)) return;
    if (event.key === 'Enter') end(true);
    if (event.key === 'Escape') {
      event.stopPropagation();
      end(false);
    }
  });
  field.addEventListener('blur', () => end(true));
  item.replaceChildren(field);
  field.select();
}

async function removeConversation(record) {
  const running = runs.get(record.id);
  if (running) {
    running.conversation.removed = true;
    running.run.stop();
  }
  const loaded = await store.conversation(record.id);
  const ids = await store.idsOf(record.id);
  const pictures = [];
  for (const id of ids.pictures) pictures.push(await store.picture(id));
  await keep({remove: ids});
  notes.set(`draft.${record.id}`, null);
  await loadList();
  if (current?.id === record.id) openNew(true);
  toast(`“${titleOf(record)}” was deleted.`, {
    label: 'Undo',
    run: async () => {
      await keep({put: {conversations: [record], messages: loaded?.messages ?? [], pictures}});
      await loadList();
      location.hash = `#/${record.id}`;
    },
  });
}

async function exportOne(record) {
  const name = titleOf(record).replace(/[^\p{L}\p{N} _-]+/gu, '').trim().slice(0, 60) || 'conversation';
  download(await exportConversations(store, [record.id]), `${name}.json`);
}

// ---- What is open

async function openFromAddress() {
  const id = /^#\/([0-9a-f]{24})$/u.exec(location.hash)?.[1];
  if (!id) return openNew(false);
  if (id === current?.id) return;
  let conversation = runs.get(id)?.conversation;
  if (!conversation) {
    const loaded = await store.conversation(id);
    if (!loaded) {
      toast('That conversation is not in this browser.');
      return openNew(true);
    }
    conversation = new Conversation(loaded.record, loaded.messages);
  }
  show(conversation);
}

function openNew(replace) {
  if (replace) history.replaceState(null, '', '#/');
  show(Conversation.begin(lastSettings()));
}

function show(conversation) {
  keepDraft();
  current = conversation;
  views = new Map();
  forgetPictureUrls();
  byId('messages').replaceChildren();
  composer.clear();
  composer.text = notes.get(draftName()) ?? '';
  pinned = true;
  showMessages();
  showList();
  closeSidebar();
  toEnd();
  if (!narrow.matches) composer.focus();
}

const draftName = () => `draft.${current && records.some(({id}) => id === current.id) ? current.id : 'new'}`;

function keepDraft() {
  if (current) notes.set(draftName(), composer.text);
}

// ---- Messages

function contextOf(message, path) {
  const running = runs.get(current.id);
  return {
    run: running?.run.message === message ? running.run : null,
    siblings: current.siblings(message),
    last: path.at(-1) === message,
  };
}

// Brings the list of messages in line with the conversation.
function showMessages() {
  const path = current.path();
  const list = byId('messages');
  const shown = new Set();
  let at = list.firstElementChild;
  for (const message of path) {
    let view = views.get(message.id);
    if (!view) {
      view = new MessageView(message, pictureUrl);
      views.set(message.id, view);
    }
    view.message = message;
    view.update(contextOf(message, path));
    if (view.element === at) at = at.nextElementSibling;
    else list.insertBefore(view.element, at);
    shown.add(message.id);
  }
  for (const [id, view] of views) {
    if (shown.has(id)) continue;
    view.element.remove();
    views.delete(id);
  }
  byId('welcome').hidden = path.length > 0;
  composer.running = runs.has(current.id);
}

// The answer that grows is shown once a frame at most, and less often when showing it takes long.
let frame = 0;
let showCost = 0;
let showDone = 0;

function showSoon(run, conversation) {
  if (frame || conversation !== current) return;
  frame = requestAnimationFrame(function paint(now) {
    if (now - showDone < 4 * showCost) {
      frame = requestAnimationFrame(paint);
      return;
    }
    frame = 0;
    if (conversation !== current || runs.get(current.id)?.run !== run) return;
    const begin = performance.now();
    const path = current.path();
    views.get(run.message.id)?.update(contextOf(run.message, path));
    follow();
    showDone = performance.now();
    showCost = showDone - begin;
  });
}

// ---- Scrolling: the end stays in view while it was in view

let pinned = true;
const scroll = byId('scroll');

function follow() {
  if (pinned) toEnd();
  byId('to-end').hidden = pinned;
}

function toEnd() {
  scroll.scrollTop = scroll.scrollHeight;
}

function watchScrolling() {
  let before = 0;
  scroll.addEventListener('scroll', () => {
    const left = scroll.scrollHeight - scroll.clientHeight - scroll.scrollTop;
    // Only the user scrolls up; what grows below moves nothing.
    if (scroll.scrollTop < before && left > 2) pinned = false;
    if (left < 24) pinned = true;
    before = scroll.scrollTop;
    byId('to-end').hidden = pinned;
  }, {passive: true});
  // Pictures that load, a field that grows, a keyboard that opens.
  const observer = new ResizeObserver(() => follow());
  observer.observe(scroll);
  observer.observe(byId('messages'));
  byId('to-end').addEventListener('click', () => {
    pinned = true;
    toEnd();
    composer.focus();
  });
}

// ---- Answering

// Computes the answer `message`, the last one of the path. continued: its text goes on. change: what is stored before
// the server is asked, so that it is kept whatever happens then.
async function answer(conversation, message, {continued = false, change = {}} = {}) {
  const path = conversation.path();
  if (!continued) path.pop();
  let lastSave = Date.now();
  const run = new Run(message, () => {
    showSoon(run, conversation);
    if (Date.now() - lastSave > kSaveEveryMs) {
      lastSave = Date.now();
      keepMessages(conversation, [message]);
    }
  });
  runs.set(conversation.id, {run, conversation});
  message.model = model;
  pinned = true;
  showMessages();
  showList();
  toEnd();
  announce('The answer is being written.');
  const clock = setInterval(() => showSoon(run, conversation), 1000);
  await keep(change);
  await loadList();
  const request = () => toRequest(path, conversation.record.settings, model, async (id) => {
    const picture = await pictureOf(id);
    if (!picture) throw new ApiError('picture', 'a picture is gone');
    return toDataUrl(picture.blob);
  });
  await run.finish(request, () => key);
  while (message.error?.kind === 'key' && await askForKey()) await run.finish(request, () => key);
  clearInterval(clock);
  runs.delete(conversation.id);
  // Removed while it was computed: there is nothing left to keep.
  if (!conversation.messages.has(message.id) || conversation.removed) return;
  await keepMessages(conversation, [message]);
  if (conversation === current) {
    showMessages();
    follow();
    announceAnswer(message);
  }
  await loadList();
}

// Screen readers hear the answer when it is there, not each token; of a long one its beginning.
function announceAnswer(message) {
  if (message.error) {
    announce([message.error.title, message.error.detail, message.error.hint].filter(Boolean).join(' '));
    return;
  }
  const text = views.get(message.id)?.text.textContent ?? message.text;
  const end = message.finish === 'stopped' ? 'Stopped.' : 'Answer:';
  announce(text.length <= 1000 ? `${end} ${text}` : `${end} ${text.slice(0, 600)} … The rest is in the list of messages.`);
}

function putPictures(conversation, pictures) {
  return pictures.map((picture) => {
    const record = {
      id: picture.id ?? newId(), conversation: conversation.id, name: picture.name, blob: picture.blob,
    };
    newPictures.set(record.id, record);
    return record;
  });
}

// Adds a message of the user below `parent`, and has it answered. False where nobody could answer.
function say(parent, text, pictures) {
  const conversation = current;
  if (model === '') {
    toast('There is no model to answer yet.');
    loadModels();
    return false;
  }
  const kept = putPictures(conversation, pictures);
  const message = conversation.add(parent, 'user', text, {pictures: kept.map(({id}) => id)});
  if (!conversation.record.title) conversation.record.title = conversation.titleFromText();
  const reply = conversation.add(message, 'assistant', '', {finish: null});
  const changed = [message, reply];
  if (parent) changed.push(parent);
  if (location.hash !== `#/${conversation.id}`) history.pushState(null, '', `#/${conversation.id}`);
  answer(conversation, reply, {
    change: {put: {conversations: [conversation.record], messages: changed, pictures: kept}},
  });
  return true;
}

function sendFromComposer(text, pictures) {
  const draft = draftName();
  if (!say(current.path().at(-1) ?? null, text, pictures)) return;
  composer.clear();
  notes.set(draft, null);
}

function parentOf(message) {
  return message.parent === null ? null : current.messages.get(message.parent);
}

// Another answer beside `message`; one that never began is replaced.
function answerAgain(message) {
  const conversation = current;
  const parent = parentOf(message);
  const remove = {};
  if (message.text === '') {
    conversation.remove([message]);
    remove.messages = [message.id];
  }
  const reply = conversation.add(parent, 'assistant', '', {finish: null});
  const changed = parent ? [reply, parent] : [reply];
  answer(conversation, reply, {change: {put: {conversations: [conversation.record], messages: changed}, remove}});
}

function startEdit(message) {
  const view = views.get(message.id);
  for (const other of views.values()) other.endEdit();
  const conversation = current;
  const cancel = () => {
    view.endEdit();
    showMessages();
    view.focusAction('edit');
  };
  Promise.all(message.pictures.map(pictureOf)).then((pictures) => {
    showMessages();
    view.edit({
      pictures: pictures.filter(Boolean), refused: picturesRefused(), onCancel: cancel,
      onSend: (text, kept) => {
        if (runs.has(conversation.id) || !say(parentOf(message), text, kept)) return;
        view.endEdit();
        composer.focus();
      },
      onSave: async (text, kept) => {
        const before = {text: message.text, pictures: message.pictures};
        const put = putPictures(conversation, kept);
        message.text = text;
        message.pictures = put.map(({id}) => id);
        view.endEdit();
        showMessages();
        view.focusAction('edit');
        await keep({put: {conversations: [conversation.record], messages: [message], pictures: put}});
        toast('The message was changed.', {
          label: 'Undo',
          run: async () => {
            Object.assign(message, before);
            if (conversation === current) showMessages();
            await keepMessages(conversation, [message]);
          },
        });
      },
    });
  });
}

async function removeFrom(message) {
  const conversation = current;
  const gone = conversation.subtree(message);
  conversation.remove(gone);
  showMessages();
  composer.focus();
  const used = new Set([...conversation.messages.values()].flatMap(({pictures}) => pictures));
  const pictureIds = [...new Set(gone.flatMap(({pictures}) => pictures))].filter((id) => !used.has(id));
  const pictures = (await Promise.all(pictureIds.map(pictureOf))).filter(Boolean);
  await keep({
    put: {conversations: [conversation.record]},
    remove: {messages: gone.map(({id}) => id), pictures: pictureIds},
  });
  toast(gone.length === 1 ? 'The message was deleted.' : `${gone.length} messages were deleted.`, {
    label: 'Undo',
    run: async () => {
      conversation.restore(gone);
      const parent = conversation.choose(message);
      const messages = parent ? [parent, ...gone] : gone;
      await keep({put: {conversations: [conversation.record], messages, pictures}});
      if (conversation === current) showMessages();
    },
  });
}

async function showVersion(message, step) {
  const siblings = current.siblings(message);
  const other = siblings[siblings.indexOf(message) + step];
  if (!other) return;
  const parent = current.choose(other);
  showMessages();
  const place = views.get(other.id)?.place;
  const again = place?.querySelector(`[data-act="${step < 0 ? 'before' : 'after'}"]`);
  (again?.disabled ? place.querySelector('button:not(:disabled)') : again)?.focus();
  await keep({put: {conversations: [current.record], messages: parent ? [parent] : []}});
}

async function copied(button, text) {
  if (!await copyText(text)) {
    toast('The browser does not let this page copy.');
    return;
  }
  announce('Copied.');
  if (button.querySelector('use')) {
    setIcon(button, 'check');
    setTimeout(() => setIcon(button, 'copy'), 1500);
  } else {
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  }
}

function onMessageClick(event) {
  const button = event.target.closest('button[data-act]');
  const message = current.messages.get(event.target.closest('.message')?.dataset.id);
  if (!button || !message) return;
  const {act} = button.dataset;
  if (act === 'copy') return copied(button, message.text);
  if (act === 'copy-code') return copied(button, button.closest('.code').querySelector('pre').textContent);
  if (runs.has(current.id)) {
    toast('Stop the answer first.');
    return;
  }
  switch (act) {
    case 'again': case 'retry': answerAgain(message); break;
    case 'continue': answer(current, message, {continued: true}); break;
    case 'edit': startEdit(message); break;
    case 'delete': removeFrom(message); break;
    case 'before': showVersion(message, -1); break;
    case 'after': showVersion(message, 1); break;
  }
  // The button is gone by then; the focus must not be.
  if (act === 'again' || act === 'retry' || act === 'continue') composer.focus();
}

// ---- Settings

function fillSettings() {
  const {settings} = current.record;
  byId('set-system').value = settings.system ?? '';
  for (const field of kSampling) {
    byId(`set-${field.name}`).value = settings[field.name] ?? '';
    showSamplingFault(field);
  }
  byId('set-key').value = key;
  byId('set-key-keep').checked = notes.get('key') !== null;
}

function showSamplingFault(field) {
  const input = byId(`set-${field.name}`);
  // A number field gives '' for what is no number.
  const fault = input.validity.badInput ? `${field.label} is a number.` : samplingFault(field, input.value);
  const note = byId(`fault-${field.name}`);
  note.textContent = fault ?? field.hint ?? '';
  note.classList.toggle('bad', fault !== null);
  input.setAttribute('aria-invalid', String(fault !== null));
  return fault;
}

// Takes over what is right; what is wrong says so at its field and leaves the setting as it was.
function readSettings() {
  const {settings} = current.record;
  settings.system = byId('set-system').value;
  for (const field of kSampling) {
    const input = byId(`set-${field.name}`);
    if (showSamplingFault(field) !== null) continue;
    if (input.value === '') delete settings[field.name];
    else settings[field.name] = Number(input.value);
  }
  notes.set('settings', JSON.stringify(settings));
}

function buildSettings() {
  for (const field of kSampling) {
    const input = make('input', {
      type: 'number', id: `set-${field.name}`, min: field.min, max: field.max, step: field.step,
      placeholder: 'default', inputMode: 'decimal', 'aria-describedby': `fault-${field.name}`,
    });
    const label = make('label', {for: `set-${field.name}`}, field.label);
    byId('sampling').append(make('div', {}, label, input, make('p', {class: 'hint', id: `fault-${field.name}`})));
  }
  const dialog = byId('settings');
  byId('open-settings').addEventListener('click', () => {
    fillSettings();
    showStored();
    dialog.showModal();
  });
  byId('settings-form').addEventListener('input', (event) => {
    if (event.target.id.startsWith('set-key')) return;
    readSettings();
  });
  dialog.addEventListener('close', () => {
    // Stored with the conversation as soon as there is one.
    if (current.messages.size) keep({put: {conversations: [current.record]}});
    const given = byId('set-key').value.trim();
    const forLong = byId('set-key-keep').checked;
    if (given !== key || forLong !== (notes.get('key') !== null)) {
      useKey(given, forLong);
      loadModels();
    }
  });
  byId('reset-settings').addEventListener('click', () => {
    current.record.settings = {};
    fillSettings();
    readSettings();
  });
  // A click beside a dialog closes it.
  for (const node of document.querySelectorAll('dialog')) {
    node.addEventListener('mousedown', (event) => {
      if (event.target === node) node.close('cancel');
    });
  }
}

async function showStored() {
  const count = records.length;
  let text = count === 1 ? 'One conversation' : `${count} conversations`;
  text += store.persistent ? ' in this browser' : ' in this window only: this browser keeps nothing';
  const estimate = await navigator.storage?.estimate?.().catch(() => null);
  if (store.persistent && estimate?.usage) text += `, ${(estimate.usage / 1048576).toFixed(1)} MB`;
  byId('stored').textContent = `${text}.`;
}

function buildTransfer() {
  byId('export-all').addEventListener('click', async () => {
    const blob = await exportConversations(store, records.map(({id}) => id));
    download(blob, `gemma3-conversations-${new Date().toISOString().slice(0, 10)}.json`);
  });
  byId('import').addEventListener('click', () => byId('file-import').click());
  byId('file-import').addEventListener('change', async () => {
    const [file] = byId('file-import').files;
    byId('file-import').value = '';
    try {
      const count = await importConversations(store, file);
      toast(count === 1 ? 'One conversation was imported.' : `${count} conversations were imported.`);
    } catch (error) {
      toast(error instanceof StoreFull ? 'The browser’s storage has no room for this file.' : error.message);
    }
    await loadList();
    showStored();
  });
  byId('delete-all').addEventListener('click', async () => {
    const count = records.length;
    if (!await ask('Delete all conversations?', `${count === 1 ? 'One conversation' : `${count} conversations`} will be ` +
        'deleted from this browser, with all pictures. This cannot be undone.', 'Delete all')) return;
    for (const {run, conversation} of runs.values()) {
      conversation.removed = true;
      run.stop();
    }
    for (const {id} of records) notes.set(`draft.${id}`, null);
    await store.clear();
    await loadList();
    byId('settings').close();
    openNew(true);
    toast('All conversations were deleted.');
  });
}

// ---- The theme

const kThemes = {'': ['system', 'Colours of the system'], light: ['light', 'Light'], dark: ['dark', 'Dark']};

function showTheme(name) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  const [symbol, label] = kThemes[name];
  setIcon(byId('theme'), symbol, `Theme: ${label}`);
  byId('theme-name').textContent = label;
}

function buildTheme() {
  let name = notes.get('theme') ?? '';
  if (!Object.hasOwn(kThemes, name)) name = '';
  showTheme(name);
  byId('theme').addEventListener('click', () => {
    const names = Object.keys(kThemes);
    name = names[(names.indexOf(name) + 1) % names.length];
    notes.set('theme', name);
    showTheme(name);
    announce(`Theme: ${kThemes[name][1]}`);
  });
}

// ---- The list on a narrow screen lies over the page

function openSidebar() {
  document.body.classList.add('sidebar-open');
  byId('open-sidebar').setAttribute('aria-expanded', 'true');
  fitSidebar();
  byId('close-sidebar').focus();
}

function closeSidebar() {
  const open = document.body.classList.contains('sidebar-open');
  document.body.classList.remove('sidebar-open');
  byId('open-sidebar').setAttribute('aria-expanded', 'false');
  fitSidebar();
  if (open) byId('open-sidebar').focus();
}

// What cannot be seen must not take the focus.
function fitSidebar() {
  const open = document.body.classList.contains('sidebar-open');
  byId('sidebar').inert = narrow.matches && !open;
  byId('main').inert = narrow.matches && open;
  byId('scrim').hidden = !(narrow.matches && open);
}

// ---- The composer, keys, dropping

const composer = new Composer({
  id: 'composer', mode: 'main', label: 'Message', placeholder: 'Write a message', allowPictures: true,
  onSend: sendFromComposer,
  onStop: () => stopCurrent(),
  onInput: () => keepDraft(),
});

function stopCurrent() {
  runs.get(current.id)?.run.stop();
}

function onKey(event) {
  if (composing(event) || document.querySelector('dialog[open]')) return;
  if (event.key === 'Escape') {
    const editing = [...views.values()].find((view) => view.editing);
    if (document.body.classList.contains('sidebar-open')) closeSidebar();
    else if (editing) editing.editor.options.onCancel();
    else stopCurrent();
  } else if (event.key === 'ArrowUp' && event.target === composer.field && composer.empty && !runs.has(current.id)) {
    const last = current.path().findLast(({role}) => role === 'user');
    if (!last) return;
    event.preventDefault();
    startEdit(last);
  }
}

function buildDropping() {
  // Entering a child comes before leaving its parent.
  let depth = 0;
  const brings = (event) => Array.from(event.dataTransfer?.types ?? []).includes('Files');
  const end = () => {
    depth = 0;
    document.body.classList.remove('dropping');
  };
  addEventListener('dragenter', (event) => {
    if (!brings(event)) return;
    ++depth;
    document.body.classList.add('dropping');
  });
  addEventListener('dragleave', (event) => {
    if (brings(event) && --depth <= 0) end();
  });
  addEventListener('dragover', (event) => {
    if (brings(event)) event.preventDefault();
  });
  addEventListener('drop', (event) => {
    if (!brings(event)) return;
    event.preventDefault();  // or the browser leaves the page for the file
    end();
    const editing = [...views.values()].find((view) => view.editing)?.editor;
    const target = editing?.options.allowPictures ? editing : composer;
    const files = picturesIn(event.dataTransfer);
    if (files.length) target.addFiles(files);
    else toast('Only pictures can be dropped here.');
  });
  // A picture that is pasted while nothing is being written.
  document.addEventListener('paste', (event) => {
    if (event.target.closest?.('input, textarea') || document.querySelector('dialog[open]')) return;
    const files = picturesIn(event.clipboardData);
    if (files.length) composer.addFiles(files);
  });
}

async function onElsewhere(ids) {
  await loadList();
  if (ids !== null && !ids.includes(current.id)) return;
  if (runs.has(current.id) || [...views.values()].some((view) => view.editing)) return;
  const loaded = await store.conversation(current.id);
  if (loaded) {
    current = new Conversation(loaded.record, loaded.messages);
    showMessages();
    showList();
    follow();
  } else if (current.messages.size) {
    openNew(true);
  }
}

async function begin() {
  byId('composer-place').replaceWith(composer.element);
  buildTheme();
  buildSettings();
  buildTransfer();
  buildDropping();
  watchScrolling();
  byId('messages').addEventListener('click', onMessageClick);
  byId('conversations').addEventListener('click', (event) => {
    const button = event.target.closest('button[data-act]');
    const item = event.target.closest('li');
    if (event.target.closest('a')) closeSidebar();
    const record = records.find(({id}) => id === item?.dataset.id);
    if (!button || !record) return;
    if (button.dataset.act === 'rename') renameInList(item, record);
    if (button.dataset.act === 'export') exportOne(record);
    if (button.dataset.act === 'remove') removeConversation(record);
  });
  byId('new-chat').addEventListener('click', () => {
    if (location.hash !== '#/' && location.hash !== '') location.hash = '#/';
    else openNew(false);
    composer.focus();
  });
  byId('filter').addEventListener('input', showList);
  byId('open-sidebar').addEventListener('click', openSidebar);
  byId('close-sidebar').addEventListener('click', closeSidebar);
  byId('scrim').addEventListener('click', closeSidebar);
  narrow.addEventListener('change', closeSidebar);
  fitSidebar();
  addEventListener('keydown', onKey);
  addEventListener('hashchange', openFromAddress);
  addEventListener('pagehide', noteUnfinished);
  addEventListener('pageshow', ({persisted}) => persisted && notes.set('unfinished', null));
  store = await openStore();
  await keepUnfinished();
  store.onElsewhere(onElsewhere);
  await loadList();
  await openFromAddress();
  if (!store.persistent) {
    showNotice('This browser lets the page keep nothing: conversations end with this window. Export what you need.');
    storageNotice = true;
  }
  document.documentElement.dataset.ready = '';
  await loadModels();
}

begin();
