// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The field where a message is written, with its pictures: at the foot of the page, and in place of a message that is
// being edited.

import {composing, icon, iconButton, make, setIcon, toast} from './dom.js';
import {kMostPictures, picturesIn, readPicture} from './pictures.js';

// On a touch keyboard Enter is the only way to a new line.
const touchOnly = matchMedia('(hover: none) and (pointer: coarse)');

export class Composer {
  #pictures = [];  // {id or undefined, blob, name, reduced, url}
  #running = false;
  #reading = 0;

  // options: {id, label, placeholder, text, pictures, allowPictures, mode: 'main' | 'edit',
  //           onSend(text, pictures), onSave, onCancel, onStop, onInput}
  constructor(options) {
    this.options = options;
    this.field = make('textarea', {
      id: options.id, rows: 1, dir: 'auto', placeholder: options.placeholder ?? '', 'aria-label': options.label,
      value: options.text ?? '', enterKeyHint: touchOnly.matches ? 'enter' : 'send', autocomplete: 'off',
    });
    this.strip = make('ul', {class: 'attachments', 'aria-label': 'Attached pictures', hidden: true});
    this.element = make('form', {class: `composer ${options.mode}`});
    this.file = make('input', {
      type: 'file', accept: 'image/*', multiple: true, hidden: true, tabIndex: -1, 'aria-label': 'Pictures',
    });
    this.attach = iconButton('picture', 'Add pictures');
    this.attach.classList.add('attach');
    const row = make('div', {class: 'composer-row'});
    if (options.mode === 'main') {
      this.send = make('button', {type: 'submit', class: 'send', title: 'Send', 'aria-label': 'Send'}, icon('send'));
      row.append(this.attach, this.field, this.send);
      this.element.append(this.strip, row, this.file);
    } else {
      const button = (text, className, run) => {
        const node = make('button', {type: 'button', class: className}, text);
        node.addEventListener('click', run);
        return node;
      };
      row.append(options.allowPictures ? this.attach : '', make('span', {class: 'grow'}),
                 button('Cancel', 'plain', () => this.options.onCancel()));
      if (options.onSave) row.append(button('Save', options.onSend ? 'plain' : 'primary', () => this.#save()));
      if (options.onSend) row.append(make('button', {type: 'submit', class: 'primary'}, 'Send'));
      this.element.append(this.strip, this.field, row, this.file);
    }
    this.#listen();
    for (const picture of options.pictures ?? []) this.#add(picture);
    this.#fit();
  }

  focus() {
    this.field.focus();
    this.field.setSelectionRange(this.field.value.length, this.field.value.length);
  }

  set text(text) {
    this.field.value = text;
    this.#fit();
  }

  get text() {
    return this.field.value;
  }

  get pictures() {
    return this.#pictures;
  }

  get empty() {
    return this.field.value.trim() === '' && !this.#pictures.length;
  }

  // While an answer is computed the button stops it.
  set running(running) {
    if (running === this.#running) return;
    this.#running = running;
    setIcon(this.send, running ? 'stop' : 'send', running ? 'Stop the answer' : 'Send');
    this.send.classList.toggle('stop', running);
  }

  // Why pictures cannot be added now, or ''.
  set picturesRefused(reason) {
    this.refused = reason;
    this.attach.setAttribute('aria-disabled', String(reason !== ''));
    this.attach.title = reason || 'Add pictures';
  }

  clear() {
    this.text = '';
    for (const picture of this.#pictures) URL.revokeObjectURL(picture.url);
    this.#pictures = [];
    this.#showStrip();
  }

  async addFiles(files) {
    if (this.refused) {
      toast(this.refused);
      return;
    }
    ++this.#reading;
    try {
      for (const file of files) {
        if (this.#pictures.length >= kMostPictures) {
          toast(`A message holds at most ${kMostPictures} pictures.`);
          return;
        }
        try {
          this.#add(await readPicture(file));
        } catch (error) {
          toast(error.message);
        }
      }
    } finally {
      --this.#reading;
    }
    this.field.focus();
  }

  #listen() {
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#running) this.options.onStop();
      else this.#submit();
    });
    this.field.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || composing(event)) return;
      const plain = !event.shiftKey && !event.altKey;
      const modified = event.ctrlKey || event.metaKey;
      if (!plain || (touchOnly.matches && !modified)) return;
      event.preventDefault();
      if (this.#running) return;  // the text waits until the answer is there
      if (this.options.onSend) this.#submit();
      else if (modified) this.#save();
      else this.field.setRangeText('\n', this.field.selectionStart, this.field.selectionEnd, 'end');
    });
    this.field.addEventListener('input', () => {
      this.#fit();
      this.options.onInput?.();
    });
    this.field.addEventListener('paste', (event) => {
      // Office programs put a picture of the text beside it: the text is meant.
      const files = picturesIn(event.clipboardData);
      if (!files.length || event.clipboardData.getData('text/plain') !== '') return;
      event.preventDefault();
      if (this.options.allowPictures) this.addFiles(files);
    });
    this.attach.addEventListener('click', () => {
      if (this.refused) toast(this.refused);
      else this.file.click();
    });
    this.file.addEventListener('change', () => {
      this.addFiles(Array.from(this.file.files));
      this.file.value = '';  // the same file can be chosen again
    });
    this.strip.addEventListener('click', (event) => {
      const button = event.target.closest('button');
      if (!button) return;
      const index = Array.from(this.strip.children).indexOf(button.closest('li'));
      const [gone] = this.#pictures.splice(index, 1);
      URL.revokeObjectURL(gone.url);
      this.#showStrip();
      this.field.focus();
      this.options.onInput?.();
    });
  }

  #submit() {
    // A picture that is still being read would be left out.
    if (this.empty || this.#reading) return;
    this.options.onSend(this.field.value, this.#pictures);
  }

  #save() {
    if (this.empty || this.#reading) return;
    this.options.onSave(this.field.value, this.#pictures);
  }

  #add(picture) {
    this.#pictures.push({...picture, url: URL.createObjectURL(picture.blob)});
    this.#showStrip();
    this.options.onInput?.();
  }

  #showStrip() {
    this.strip.hidden = !this.#pictures.length;
    this.strip.replaceChildren(...this.#pictures.map(({url, name, reduced}) => {
      const remove = iconButton('close', `Remove ${name}`);
      const title = reduced ? `${name} (made smaller)` : name;
      return make('li', {}, make('img', {src: url, alt: title, title}), remove);
    }));
  }

  // Grows with the text where CSS alone cannot do it.
  #fit() {
    if (CSS.supports('field-sizing', 'content')) return;
    this.field.style.height = 'auto';
    if (this.field.scrollHeight) this.field.style.height = `${this.field.scrollHeight}px`;
  }
}
