// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
import {FunctionCallingConfigMode, GoogleGenAI, Type} from '@google/genai';
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {picture, pictureText, startServer} from './server.mjs';

let server, client;
before(async () => {
  server = await startServer(['--api-key', 'key']);
  client = new GoogleGenAI({apiKey: 'key', httpOptions: {baseUrl: server.url}});
});
after(() => server.stop());

const model = 'demo';
const config = {temperature: 0};

test('whole and streamed', async () => {
  const contents = 'What is 17 + 25?';
  const whole = await client.models.generateContent({model, contents, config});
  assert.match(whole.text, /42/);
  assert.equal(whole.candidates[0].finishReason, 'STOP');
  let text = '';
  for await (const chunk of await client.models.generateContentStream({model, contents, config})) {
    text += chunk.text ?? '';
  }
  assert.equal(text, whole.text);
});

test('a picture', async () => {
  const answer = await client.models.generateContent({model, config, contents: [
    {inlineData: {mimeType: 'image/png', data: picture}}, {text: 'What is in the picture?'}]});
  assert.equal(answer.text, pictureText);
});

test('functions and schemas', async () => {
  const parameters = {type: Type.OBJECT, properties: {city: {type: Type.STRING, maxLength: '12'}}, required: ['city']};
  const called = await client.models.generateContent({
    model,
    contents: 'How is the weather in Rome?',
    config: {
      tools: [{functionDeclarations: [{name: 'get_weather', description: 'Weather', parameters}]}],
      toolConfig: {functionCallingConfig: {mode: FunctionCallingConfigMode.ANY}},
    },
  });
  assert.equal(called.functionCalls[0].name, 'get_weather');
  assert.equal(typeof called.functionCalls[0].args.city, 'string');
  const formed = await client.models.generateContent({
    model,
    contents: 'What is 17 + 25?',
    config: {
      responseMimeType: 'application/json',
      responseSchema: {type: Type.OBJECT, properties: {sum: {type: Type.INTEGER}}, required: ['sum']},
    },
  });
  assert.equal(typeof JSON.parse(formed.text).sum, 'number');
});

test('errors', async () => {
  await assert.rejects(client.models.generateContent({model: 'other', contents: 'x'}), (error) => {
    assert.equal(error.status, 404);
    return true;
  });
  const stranger = new GoogleGenAI({apiKey: 'other', httpOptions: {baseUrl: server.url}});
  await assert.rejects(stranger.models.generateContent({model, contents: 'x'}), (error) => {
    assert.equal(error.status, 401);
    return true;
  });
});
