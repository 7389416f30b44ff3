// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
import {createOpenAICompatible} from '@ai-sdk/openai-compatible';
import {generateText, streamText, tool} from 'ai';
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {z} from 'zod';
import {startServer} from './server.mjs';

let server, model;
before(async () => {
  server = await startServer();
  model = createOpenAICompatible({name: 'gemma3', baseURL: server.url + '/v1'})('demo');
});
after(() => server.stop());

test('a stream of text', async () => {
  const prompt = 'What is 17 + 25?';
  const whole = await generateText({model, prompt, temperature: 0});
  const stream = streamText({model, prompt, temperature: 0});
  let text = '';
  for await (const piece of stream.textStream) text += piece;
  assert.match(text, /42/);
  assert.equal(text, whole.text);
  assert.equal(await stream.finishReason, 'stop');
});

test('a stream with tools', async () => {
  const stream = streamText({
    model,
    prompt: 'How is the weather in Rome?',
    toolChoice: 'required',
    tools: {get_weather: tool({inputSchema: z.object({city: z.string().max(12)})})},
  });
  const calls = await stream.toolCalls;
  assert.equal(calls[0].toolName, 'get_weather');
  assert.equal(typeof calls[0].input.city, 'string');
  assert.equal(await stream.finishReason, 'tool-calls');
});
