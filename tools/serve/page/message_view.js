// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// One message on the page. update() shows what the message has become with as few changes as there are; what the
// buttons do is the page's matter, which finds it by their data-act.

import {Composer} from './composer.js';
import {icon, iconButton, make} from './dom.js';
import {languageOf, MarkdownView} from './markdown.js';

const kEnds = {
  length: 'The answer reached the longest length that is allowed.',
  stopped: 'Stopped.',
  content_filter: 'The server withheld the answer.',
};

const user = (message) => message.role === 'user';
const number = new Intl.NumberFormat();

function statsOf(usage) {
  if (!usage) return ['', ''];
  const short = [];
  const long = [`${number.format(usage.prompt)} tokens read`];
  if (usage.cached) long[0] += `, ${number.format(usage.cached)} of them known already`;
  if (usage.firstMs) long.push(`first word after ${(usage.firstMs / 1000).toFixed(1)} s`);
  if (usage.perSecond) short.push(`${usage.perSecond.toFixed(1)} tokens/s`);
  short.push(`${number.format(usage.completion)} ${usage.completion === 1 ? 'token' : 'tokens'}`);
  return [short.join(' · '), long.join(', ')];
}

export class MessageView {
  #shownPictures = '';
  #editor = null;
  #final = null;  // the text that was shown as final

  // pictureUrl(id): a promise of an address of the picture, or null where it is gone.
  constructor(message, pictureUrl) {
    this.message = message;
    this.pictureUrl = pictureUrl;
    const byUser = user(message);
    this.element = make('li', {class: `message ${message.role}`, data: {id: message.id}});
    this.article = make('article', {'aria-labelledby': `who-${message.id}`});
    this.who = make('h2', {class: 'visually-hidden', id: `who-${message.id}`}, byUser ? 'You' : 'Answer');
    this.pictures = make('ul', {class: 'pictures', hidden: true, 'aria-label': 'Pictures'});
    this.text = make('div', {class: byUser ? 'text plain-text' : 'text markdown'});
    this.markdown = byUser ? null : new MarkdownView(this.text);
    this.waiting = make('p', {class: 'waiting', hidden: true});
    this.fault = make('div', {class: 'fault', hidden: true});
    this.foot = make('div', {class: 'foot'});
    this.place = make('span', {class: 'versions', hidden: true});
    this.actions = make('span', {class: 'actions', role: 'group', 'aria-label': byUser ? 'Your message' : 'Answer'});
    this.stats = make('span', {class: 'stats'});
    this.foot.append(this.place, this.actions, this.stats);
    this.article.append(this.who, this.pictures, this.text, this.waiting, this.fault, this.foot);
    this.element.append(this.article);
    this.actions.append(iconButton('copy', 'Copy', 'copy'));
    if (!byUser) this.actions.append(iconButton('again', 'Answer again', 'again'));
    this.actions.append(iconButton('edit', 'Edit', 'edit'), iconButton('delete', 'Delete from here on', 'delete'));
  }

  get editing() {
    return this.#editor !== null;
  }

  get editor() {
    return this.#editor;
  }

  // context: {run: the Run of this message or null, siblings, last: whether it is the last one}
  update({run, siblings, last}) {
    const {message} = this;
    this.element.classList.toggle('last', last);
    this.article.setAttribute('aria-busy', String(run !== null));
    this.#showPictures();
    this.#showText(run === null);
    this.#showWaiting(run);
    if (run) {
      this.fault.hidden = true;
      this.foot.hidden = true;
      return;
    }
    this.foot.hidden = this.editing;
    // An answer that failed before its first word can only be asked for again, or go.
    for (const button of this.actions.children) {
      button.hidden = message.text === '' && (button.dataset.act === 'copy' || (!user(message) && button.dataset.act === 'edit'));
    }
    this.#showFault(last);
    this.#showVersions(siblings);
    const [short, long] = statsOf(message.usage);
    this.stats.textContent = short;
    this.stats.title = long;
  }

  // Shows a field in place of the text.
  edit({onSend, onSave, onCancel, pictures, refused}) {
    const byUser = user(this.message);
    this.#editor = new Composer({
      mode: 'edit', label: byUser ? 'Edit your message' : 'Edit the answer', text: this.message.text, pictures,
      allowPictures: byUser, onSend: byUser ? onSend : null, onSave, onCancel,
    });
    this.#editor.picturesRefused = refused;
    this.element.classList.add('editing');
    this.text.hidden = this.pictures.hidden = this.foot.hidden = this.fault.hidden = true;
    this.article.insertBefore(this.#editor.element, this.foot);
    this.#editor.focus();
  }

  endEdit() {
    if (!this.#editor) return;
    this.#editor.clear();
    this.#editor.element.remove();
    this.#editor = null;
    this.element.classList.remove('editing');
    this.text.hidden = this.foot.hidden = false;
    this.#shownPictures = '';
  }

  focusAction(act) {
    this.actions.querySelector(`[data-act="${act}"]`)?.focus();
  }

  #showText(final) {
    const {text} = this.message;
    if (this.markdown) {
      // A text that was shown as final and did not change is not parsed again.
      if (!(final && this.#final === text)) this.markdown.show(text, final);
      this.#final = final ? text : null;
    } else if (this.text.textContent !== text) {
      this.text.textContent = text;
      this.text.lang = languageOf(text);
    }
    if (!this.editing) this.text.hidden = text === '';
  }

  #showWaiting(run) {
    let text = '';
    const seconds = run ? Math.floor((Date.now() - run.begun) / 1000) : 0;
    if (run?.state === 'busy') {
      const left = Math.max(1, Math.ceil((run.busyUntil - Date.now()) / 1000));
      text = `The server is busy. Next try in ${left} s`;
    } else if (run && run.state !== 'writing') {
      text = seconds >= 2 ? `Reading · ${seconds} s` : 'Reading';
    }
    this.waiting.hidden = text === '';
    if (this.waiting.textContent !== text) this.waiting.textContent = text;
  }

  #showFault(last) {
    const {message} = this;
    const {error, finish} = message;
    const button = (label, act, primary) => make(
        'button', {type: 'button', class: primary ? 'primary small' : 'plain small', data: {act}}, label);
    const parts = [];
    if (error) {
      const text = make('div', {class: 'fault-text'}, make('strong', {}, error.title));
      if (error.detail) text.append(make('p', {dir: 'auto', class: 'fault-detail'}, error.detail));
      if (error.hint) text.append(make('p', {}, error.hint));
      parts.push(icon('warning'), text);
    } else if (kEnds[finish]) {
      parts.push(make('div', {class: 'fault-text'}, kEnds[finish]));
    } else if (message.role === 'assistant' && !finish) {
      // The page was left while it grew.
      parts.push(make('div', {class: 'fault-text'}, 'The answer is not complete.'));
    }
    if (parts.length && last) {
      const row = make('div', {class: 'row'});
      if (message.text !== '') row.append(button('Go on', 'continue', true));
      row.append(button(message.text === '' ? 'Try again' : 'Answer again', message.text === '' ? 'retry' : 'again',
                        message.text === ''));
      parts.push(row);
    }
    this.fault.classList.toggle('error', Boolean(error));
    this.fault.replaceChildren(...parts);
    this.fault.hidden = !parts.length || this.editing;
  }

  #showVersions(siblings) {
    this.place.hidden = siblings.length < 2;
    if (this.place.hidden) {
      this.place.replaceChildren();
      return;
    }
    const at = siblings.indexOf(this.message);
    if (!this.place.firstChild) {
      this.place.append(iconButton('back', 'Version before', 'before'), make('span', {class: 'count'}),
                        iconButton('forth', 'Version after', 'after'));
    }
    const [before, count, after] = this.place.children;
    count.textContent = `${at + 1}/${siblings.length}`;
    count.setAttribute('aria-label', `Version ${at + 1} of ${siblings.length}`);
    before.disabled = at === 0;
    after.disabled = at === siblings.length - 1;
  }

  async #showPictures() {
    const ids = this.message.pictures;
    const wanted = ids.join();
    if (wanted === this.#shownPictures || this.editing) return;
    this.#shownPictures = wanted;
    // The places are there at once, so that nothing jumps when the pictures come.
    const items = ids.map(() => make('li'));
    this.pictures.replaceChildren(...items);
    this.pictures.hidden = !ids.length;
    for (const [index, id] of ids.entries()) {
      const picture = await this.pictureUrl(id);
      if (!picture) {
        items[index].textContent = 'This picture is gone.';
        continue;
      }
      const link = make('a', {href: picture.url, target: '_blank', rel: 'noopener'});
      link.append(make('img', {src: picture.url, alt: picture.name}));
      items[index].append(link);
    }
  }
}
