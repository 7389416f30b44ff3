// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The computing of one answer: asks the server, waits where it is busy, and writes into the message. Whatever happens,
// the text that came stays.

import {streamChat} from './api.js';

const kBusyAttempts = 6;

// What happened and what to do about it, for each kind of ApiError.
const kAdvice = {
  offline: ['The server does not answer.', 'See whether “gemma3 serve” still runs, then try again. Your message is kept.'],
  lost: ['The connection was lost before the answer was complete.', 'What came is kept.'],
  key: ['The server asks for an API key.', 'Enter one in the settings, then try again.'],
  busy: ['The server is busy.', 'Try again in a moment. Your message is kept.'],
  length: ['The conversation is longer than the model’s context.',
           'Begin a new conversation, or delete earlier messages or pictures.'],
  size: ['The message is too large for the server.', 'Remove a picture or choose smaller ones.'],
  picture: ['A picture of this conversation is no longer in this browser.',
            'Edit the message that had it, and send it again.'],
  refused: ['The server did not accept the request.', ''],
  server: ['The server failed.', 'Try again. If it stays so, its log says more.'],
};

export function describeError(error) {
  const [title, hint] = kAdvice[error.kind] ?? ['Something went wrong in this page.', 'Try again.'];
  // The server's own words say more than ours; where there was no server there are none.
  const detail = ['offline', 'lost', 'picture'].includes(error.kind) ? '' : error.message;
  return {kind: error.kind ?? 'page', title, hint, detail};
}

export class Run {
  // 'asking', 'busy' (until `busyUntil`), 'reading' (the server took it) or 'writing'
  state = 'asking';
  busyUntil = 0;
  begun = Date.now();
  firstText = null;  // when the first piece came, by performance.now()
  lastText = null;
  #asked = performance.now();
  #abort = new AbortController();
  #onChange;

  // `onChange()` is called whenever the message or the state changes.
  constructor(message, onChange) {
    this.message = message;
    this.#onChange = onChange;
  }

  stop() {
    this.#abort.abort();
  }

  // `request()` makes the body; `key()` the key as it is then. Returns when the message is done: its `finish` is set.
  async finish(request, key) {
    const message = this.message;
    const before = message.text;  // an answer that is continued
    message.error = null;
    message.finish = null;
    try {
      const result = await this.#ask(await request(), key);
      message.finish = result.finish ?? 'stop';
      message.usage = this.#usage(result);
    } catch (error) {
      if (error.name === 'AbortError') {
        message.finish = 'stopped';
      } else {
        message.finish = message.text === before ? 'error' : 'lost';
        message.error = describeError(error);
      }
    }
  }

  async #ask(body, key) {
    for (let attempt = 1;; ++attempt) {
      try {
        return await streamChat(body, {
          key: key(),
          signal: this.#abort.signal,
          onStart: () => this.#become('reading'),
          onText: (text) => {
            const now = performance.now();
            this.firstText ??= now;
            this.lastText = now;
            this.message.text += text;
            this.#become('writing');
          },
        });
      } catch (error) {
        if (error.kind !== 'busy' || this.state === 'writing' || attempt === kBusyAttempts) throw error;
        await this.#wait(Math.min(error.retryAfter ?? 2 ** attempt, 60));
      }
    }
  }

  async #wait(seconds) {
    this.busyUntil = Date.now() + 1000 * seconds;
    const {signal} = this.#abort;
    // Once a second, so that the time that is left can be shown.
    while (Date.now() < this.busyUntil) {
      this.#become('busy');
      await new Promise((resolve) => setTimeout(resolve, Math.min(1000, this.busyUntil - Date.now())));
      signal.throwIfAborted();
    }
    this.#become('asking');
  }

  #become(state) {
    this.state = state;
    this.#onChange();
  }

  #usage({usage, timings}) {
    if (!usage) return null;
    const seconds = (this.lastText - this.firstText) / 1000;
    const count = usage.completion_tokens;
    // The first token's time is the prompt's. With few tokens or all in one piece there is nothing to measure.
    const measured = count > 4 && seconds > 0.05 ? (count - 1) / seconds : null;
    return {
      prompt: usage.prompt_tokens,
      cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
      completion: count,
      perSecond: timings?.predicted_per_second ?? measured,
      firstMs: this.firstText === null ? null : this.firstText - this.#asked,
    };
  }
}
