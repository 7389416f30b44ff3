// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Talks to the server, in OpenAI's dialect and nothing else. Addresses are relative to the page, so that
// it also works behind a proxy that puts the server under a path.

// What went wrong, in the user's words: `kind` says what the page can do about it.
//   'offline'  nobody answered            'lost'     the answer broke off
//   'key'      401, a key is needed       'busy'     429 or 503: try again after `retryAfter` seconds
//   'length'   the context is too small   'size'     the body is too large
//   'refused'  the request is at fault    'server'   the server is at fault
export class ApiError extends Error {
  constructor(kind, message, details = {}) {
    super(message);
    this.kind = kind;
    Object.assign(this, details);
  }
}

function kindOf(status, error, headers) {
  // A 503 that would come again: the model has no room, for example.
  if (headers?.get('x-should-retry') === 'false') return status >= 500 ? 'server' : 'refused';
  if (status === 401) return 'key';
  if (status === 429 || status === 503) return 'busy';
  if (status === 413) return 'size';
  if (error.code === 'context_length_exceeded') return 'length';
  return status >= 400 && status < 500 ? 'refused' : 'server';
}

function fromBody(status, body, headers) {
  const error = body && typeof body.error === 'object' && body.error ? body.error : {};
  const message = typeof error.message === 'string' ? error.message : `HTTP status ${status}`;
  const seconds = Number.parseFloat(headers?.get('retry-after') ?? '');
  return new ApiError(kindOf(status, error, headers), message, {
    status,
    code: typeof error.code === 'string' ? error.code : null,
    retryAfter: Number.isFinite(seconds) ? Math.max(seconds, 0) : null,
    // A front server's bad gateway is a server that is down, not one that failed.
    ...(status === 502 || status === 504 ? {kind: 'offline'} : {}),
  });
}

async function request(path, {key, signal, body}) {
  const headers = {};
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, {
      method: body ? 'POST' : 'GET',
      headers,
      body: body ? JSON.stringify(body) : undefined,
      signal,
      cache: 'no-store',
      credentials: 'same-origin',
      redirect: 'error',
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError('offline', 'The server did not answer.');
  }
  if (response.ok) return response;
  let json = null;
  try {
    json = await response.json();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    // Not JSON: a proxy's page. The status says enough.
  }
  throw fromBody(response.status, json, response.headers);
}

// The models: [{id, pictures: true, false or null where the server does not say, context: tokens or null}]
export async function listModels({key, signal} = {}) {
  const response = await request('v1/models', {key, signal});
  let json;
  try {
    json = await response.json();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError('server', 'The list of models is not JSON. Is this the right server?');
  }
  const models = Array.isArray(json?.data) ? json.data : [];
  return models.filter((model) => typeof model?.id === 'string').map((model) => {
    const inputs = model.architecture?.input_modalities;
    const context = model.max_model_len ?? model.meta?.n_ctx ?? model.meta?.n_ctx_train;
    return {
      id: model.id,
      pictures: Array.isArray(inputs) ? inputs.includes('image') : null,
      context: Number.isFinite(context) ? context : null,
    };
  });
}

// The data of each server-sent event. Lines may end in LF, CR LF or CR; comments keep the line alive.
export async function* readEvents(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let data = [];
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;  // an event without its blank line did not arrive
    // A CR at the very end may be half of a CR LF: it waits for what follows.
    const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (data.length) yield data.join('\n');
        data = [];
      } else if (line.startsWith('data:')) {
        data.push(line.slice(line[5] === ' ' ? 6 : 5));
      }
    }
  }
}

// Streams one answer. `onText` gets each new piece. Returns {finish, usage, timings}; throws ApiError, or
// AbortError when `signal` fires. What `onText` got stays valid in each case.
export async function streamChat(body, {key, signal, onText, onStart}) {
  const response = await request('v1/chat/completions', {
    key, signal, body: {...body, stream: true, stream_options: {include_usage: true}},
  });
  onStart?.();
  const result = {finish: null, usage: null, timings: null};
  let done = false;
  try {
    for await (const data of readEvents(response.body)) {
      if (data === '[DONE]') {
        done = true;
        break;
      }
      const chunk = JSON.parse(data);
      if (chunk.error) throw fromBody(chunk.error.status ?? 500, chunk, null);
      if (chunk.usage) result.usage = chunk.usage;
      if (chunk.timings) result.timings = chunk.timings;
      const choice = chunk.choices?.[0];
      if (!choice) continue;
      if (typeof choice.delta?.content === 'string' && choice.delta.content !== '') {
        onText(choice.delta.content);
      }
      if (choice.finish_reason) result.finish = choice.finish_reason;
    }
  } catch (error) {
    if (error.name === 'AbortError' || error instanceof ApiError) throw error;
    if (error instanceof SyntaxError) {
      throw new ApiError('server', 'The server sent something that is not an answer.');
    }
    throw new ApiError('lost', 'The connection was lost.');
  }
  if (!done && result.finish === null) throw new ApiError('lost', 'The connection was lost.');
  return result;
}
