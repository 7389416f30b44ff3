// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {Ollama} from 'ollama';
import {picture, pictureText, startServer, until, weather} from './server.mjs';

let server, client;
before(async () => {
  server = await startServer();
  client = new Ollama({host: server.url});
});
after(() => server.stop());

const model = 'demo';
const messages = [{role: 'user', content: 'What is 17 + 25?'}];
const options = {temperature: 0};

test('chat, whole and streamed', async () => {
  const whole = await client.chat({model, messages, options});
  assert.match(whole.message.content, /42/);
  assert.equal(whole.done_reason, 'stop');
  assert.ok(whole.eval_count > 0 && whole.eval_duration > 0);
  assert.ok(!Number.isNaN(Date.parse(whole.created_at)));
  let text = '', last;
  for await (const part of await client.chat({model, messages, options, stream: true})) {
    text += part.message.content;
    last = part;
  }
  assert.equal(text, whole.message.content);
  assert.ok(last.done);
});

test('generate, whole and streamed, raw, with a system text and a picture', async () => {
  const whole = await client.generate({model, prompt: messages[0].content, options});
  assert.equal(whole.response, (await client.chat({model, messages, options})).message.content);
  let text = '';
  for await (const part of await client.generate(
      {model, prompt: messages[0].content, options, stream: true})) {
    text += part.response;
  }
  assert.equal(text, whole.response);
  const seen = await client.generate(
      {model, prompt: 'What is in the picture?', images: [picture], options});
  assert.equal(seen.response, pictureText);
  const raw = await client.generate(
      {model, prompt: 'Once upon', raw: true, options: {...options, num_predict: 3}});
  assert.equal(raw.done_reason, 'length');
  assert.equal(raw.eval_count, 3);
});

test('a picture in a chat', async () => {
  const seen = await client.chat({model, options,
    messages: [{role: 'user', content: 'What is in the picture?', images: [picture]}]});
  assert.equal(seen.message.content, pictureText);
});

test('tools and formats', async () => {
  const called = await client.chat({model, messages: [{role: 'user', content: 'How is the weather in Rome?'}],
    tools: [{type: 'function', function: weather}], options, tool_choice: 'required'});
  const call = called.message.tool_calls[0].function;
  assert.equal(call.name, 'get_weather');
  assert.equal(typeof call.arguments.city, 'string');
  const schema = {type: 'object', properties: {sum: {type: 'integer'}}, required: ['sum'], additionalProperties: false};
  const formed = await client.chat({model, messages, format: schema, options});
  assert.equal(typeof JSON.parse(formed.message.content).sum, 'number');
  // The demo model would write strings without end.
  const object = await client.chat(
      {model, messages, format: 'json', options: {...options, num_predict: 20}});
  assert.equal(object.message.content[0], '{');
});

test('what is said of models', async () => {
  const listed = (await client.list()).models[0];
  assert.equal(listed.name, 'tiny-gemma3:latest');
  assert.equal(listed.model, listed.name);
  assert.match(listed.digest, /^[0-9a-f]{64}$/);
  const shown = await client.show({model: listed.name});
  assert.ok(shown.capabilities.includes('vision') && shown.capabilities.includes('tools'));
  assert.ok(shown.model_info['gemma3.context_length'] > 0);
  await client.chat({model, messages, options: {num_predict: 1}});
  const running = (await client.ps()).models[0];
  assert.equal(running.name, listed.name);
  assert.ok(!Number.isNaN(Date.parse(running.expires_at)));
  assert.match((await client.version()).version, /^\d+\.\d+\.\d+$/);
});

test('loading, unloading and what is not there', async () => {
  assert.equal((await client.generate({model, prompt: ''})).done_reason, 'load');
  assert.equal((await client.chat({model, messages: [], keep_alive: 0})).done_reason, 'unload');
  await until(async () => (await client.ps()).models.length === 0, 5000, 'unload');
  await assert.rejects(client.chat({model: 'other', messages}), /not served/);
  await assert.rejects(client.embed({model, input: 'x'}), /embedding model/);
  await assert.rejects(client.pull({model: 'gemma3'}), /not supported/);
  await assert.rejects(client.chat({model, messages, think: true}), /thinking/);
  await assert.rejects(client.chat({model, messages, options: {temperature: 'hot'}}), /temperature/);
});

test('an abort', async () => {
  const stream = await client.generate({model, prompt: 'Tell me a story.', stream: true,
    options: {num_predict: 7000, ignore_eos: true}});
  let parts = 0;
  try {
    for await (const part of stream) {
      if (++parts === 10) stream.abort();
    }
  } catch (error) {
    assert.equal(error.name, 'AbortError');
  }
  await until(async () => await server.metric('gemma3_requests_running') === 0, 1000, 'abort');
});
