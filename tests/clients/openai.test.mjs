// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import OpenAI from 'openai';
import {zodResponseFormat} from 'openai/helpers/zod';
import {z} from 'zod';
import {picture, pictureText, startServer, until, weather} from './server.mjs';

let server, client;
before(async () => {
  server = await startServer(['--parallel', '2', '--queue', '1']);
  client = new OpenAI({baseURL: server.url + '/v1', apiKey: 'any', maxRetries: 0});
});
after(() => server.stop());

const model = 'demo';
const ask = (content) => [{role: 'user', content}];
const sum = ask('What is 17 + 25?');
const story = ask('Tell me a story about Freya and a window.');

test('a whole answer and a stream say the same', async () => {
  const whole = await client.chat.completions.create({model, messages: sum, temperature: 0});
  assert.match(whole.choices[0].message.content, /42/);
  assert.equal(whole.choices[0].finish_reason, 'stop');
  assert.equal(whole.usage.total_tokens,
      whole.usage.prompt_tokens + whole.usage.completion_tokens);
  const stream = client.chat.completions.stream(
      {model, messages: sum, temperature: 0, stream_options: {include_usage: true}});
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
  assert.equal(text, whole.choices[0].message.content);
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].message.content, text);
  assert.equal(final.choices[0].message.role, 'assistant');
  assert.equal(final.usage.completion_tokens, whole.usage.completion_tokens);
});

test('n answers, alone and as a stream', async () => {
  const body = {model, messages: story, n: 2, seed: 3, max_tokens: 20, temperature: 1};
  const whole = await client.chat.completions.create(body);
  assert.deepEqual(whole.choices.map((c) => c.index), [0, 1]);
  assert.notEqual(whole.choices[0].message.content, whole.choices[1].message.content);
  const final = await client.chat.completions.stream(body).finalChatCompletion();
  assert.deepEqual(final.choices.map((c) => c.message.content),
      whole.choices.map((c) => c.message.content));
  const second = await client.chat.completions.create({...body, n: 1, seed: 4});
  assert.equal(second.choices[0].message.content, whole.choices[1].message.content);
});

test('a picture', async () => {
  const answer = await client.chat.completions.create({
    model,
    temperature: 0,
    messages: ask([
      {type: 'image_url', image_url: {url: 'data:image/png;base64,' + picture}},
      {type: 'text', text: 'What is in the picture?'},
    ]),
  });
  assert.equal(answer.choices[0].message.content, pictureText);
});

test('tools, whole and streamed, and a result', async () => {
  const body = {
    model,
    messages: ask('How is the weather in Rome?'),
    tools: [{type: 'function', function: weather}],
    tool_choice: 'required',
    seed: 1,
  };
  const whole = await client.chat.completions.create(body);
  const choice = whole.choices[0];
  assert.equal(choice.finish_reason, 'tool_calls');
  const call = choice.message.tool_calls[0];
  assert.equal(call.function.name, 'get_weather');
  assert.equal(typeof JSON.parse(call.function.arguments).city, 'string');
  const final = await client.chat.completions.stream(body).finalChatCompletion();
  assert.deepEqual(final.choices[0].message.tool_calls[0].function.arguments,
      call.function.arguments);
  const next = await client.chat.completions.create({
    model,
    max_tokens: 10,
    messages: [...body.messages, choice.message,
      {role: 'tool', tool_call_id: call.id, content: '21 degrees'}],
    tools: body.tools,
  });
  assert.equal(next.choices[0].message.role, 'assistant');
  const named = await client.chat.completions.create(
      {...body, tool_choice: {type: 'function', function: {name: 'get_weather'}}});
  assert.equal(named.choices[0].finish_reason, 'tool_calls');
});

test('a schema by .parse', async () => {
  const schema = z.object({answer: z.number().int(), words: z.array(z.enum(['red', 'blue'])).max(3)});
  for (const seed of [1, 2, 3]) {
    const answer = await client.chat.completions.parse({
      model, messages: sum, seed, temperature: 2,
      response_format: zodResponseFormat(schema, 'answer'),
    });
    assert.ok(schema.safeParse(answer.choices[0].message.parsed).success);
  }
});

test('logprobs', async () => {
  const answer = await client.chat.completions.create(
      {model, messages: sum, temperature: 0, logprobs: true, top_logprobs: 3});
  const tokens = answer.choices[0].logprobs.content;
  assert.equal(tokens.map((t) => t.token).join(''), answer.choices[0].message.content);
  assert.ok(tokens.every((t) => t.top_logprobs.length === 3 && t.logprob <= 0));
});

test('models', async () => {
  const list = [];
  for await (const one of client.models.list()) list.push(one.id);
  assert.deepEqual(list, ['tiny-gemma3']);
  assert.equal((await client.models.retrieve('tiny-gemma3')).object, 'model');
  await assert.rejects(client.models.retrieve('other'), OpenAI.NotFoundError);
});

test('completions', async () => {
  const answer = await client.completions.create(
      {model, prompt: ['Once upon', 'The star'], max_tokens: 4, temperature: 0, echo: true, logprobs: 1});
  assert.equal(answer.choices.length, 2);
  assert.ok(answer.choices[1].text.startsWith('The star'));
  assert.equal(answer.choices[1].logprobs.tokens.join(''), answer.choices[1].text);
  const stream = await client.completions.create(
      {model, prompt: 'Once upon', max_tokens: 4, temperature: 0, stream: true});
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0].text;
  assert.equal('Once upon' + text, answer.choices[0].text);
});

test('responses', async () => {
  const body = {model, input: 'What is 17 + 25?', temperature: 0};
  const whole = await client.responses.create(body);
  assert.match(whole.output_text, /42/);
  let text = '', last;
  for await (const event of await client.responses.create({...body, stream: true})) {
    if (event.type === 'response.output_text.delta') text += event.delta;
    last = event;
  }
  assert.equal(text, whole.output_text);
  assert.equal(last.type, 'response.completed');
  assert.equal(last.response.status, 'completed');
  const called = await client.responses.create({
    model, input: 'How is the weather in Rome?', tool_choice: 'required', parallel_tool_calls: false,
    tools: [{type: 'function', strict: true, ...weather}, {type: 'web_search'}],
  });
  assert.equal(called.output[0].type, 'function_call');
  JSON.parse(called.output[0].arguments);
  const next = await client.responses.create({
    model, max_output_tokens: 5,
    input: [{role: 'user', content: 'How is the weather in Rome?'}, called.output[0],
      {type: 'function_call_output', call_id: called.output[0].call_id, output: 'fine'}],
  });
  assert.equal(next.object, 'response');
  await assert.rejects(client.responses.create({...body, previous_response_id: 'resp_1'}),
      OpenAI.BadRequestError);
});

test('errors have their classes', async () => {
  const create = (more) => client.chat.completions.create({model, messages: sum, ...more});
  await assert.rejects(create({model: 'other'}), OpenAI.NotFoundError);
  await assert.rejects(create({temperature: 9}), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, 'temperature');
    return true;
  });
  await assert.rejects(create({messages: ask('word '.repeat(20000))}), (error) => {
    assert.equal(error.code, 'context_length_exceeded');
    assert.ok(error.requestID);
    return true;
  });
  await assert.rejects(client.embeddings.create({model, input: 'x'}), (error) => {
    assert.equal(error.status, 400);
    return true;
  });
});

test('an abort in the middle frees its place within a second', async () => {
  const stream = await client.chat.completions.create(
      {model, messages: story, stream: true, max_tokens: 7000, ignore_eos: true});
  let chunks = 0;
  for await (const chunk of stream) {
    if (++chunks === 20) break;
  }
  await until(async () => await server.metric('gemma3_requests_running') === 0, 1000, 'abort');
});

test('a full queue is tried again', async () => {
  const leave = new AbortController();
  // Four with the engine, of which two fit its memory, and one in the queue.
  const streams = Array.from({length: 5}, () => client.chat.completions.create(
      {model, messages: story, stream: true, max_tokens: 7000, ignore_eos: true},
      {signal: leave.signal}).catch((error) => error));
  await until(async () => await server.metric('gemma3_requests_running') +
      await server.metric('gemma3_requests_waiting') >= 5, 20000, 'queue');
  await assert.rejects(client.chat.completions.create({model, messages: sum}), OpenAI.RateLimitError);
  const patient = new OpenAI({baseURL: server.url + '/v1', apiKey: 'any', maxRetries: 5});
  const retried = patient.chat.completions.create({model, messages: sum, temperature: 0});
  setTimeout(() => leave.abort(), 300);
  assert.match((await retried).choices[0].message.content, /42/);
  await Promise.all(streams);
});
