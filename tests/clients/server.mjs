// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A server with the demo model for one file of tests. GEMMA3_PROGRAM names the program,
// GEMMA3_SOURCE_DIR the repository.
import {spawn} from 'node:child_process';
import {readFileSync} from 'node:fs';

export async function startServer(args = []) {
  const child = spawn(process.env.GEMMA3_PROGRAM,
      ['serve', 'demo', '--port', '0', '--threads', '2', ...args],
      {stdio: ['ignore', 'ignore', 'pipe']});
  let log = '';
  const url = await new Promise((resolve, reject) => {
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text) => {
      log += text;
      const found = log.match(/listening on (\S+)\n/);
      if (found) resolve(found[1]);
    });
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}: ${log}`)));
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  return {
    url,
    log: () => log,
    kill: (signal) => child.kill(signal),
    ended,
    async stop() {
      child.kill('SIGTERM');
      const code = await ended;
      if (code !== 0) throw new Error(`exit code ${code}: ${log}`);
    },
    // A figure of /metrics.
    async metric(name) {
      const text = await (await fetch(url + '/metrics')).text();
      const line = text.split('\n').find((l) => l.startsWith(name + '{'));
      return Number(line.slice(line.lastIndexOf(' ') + 1));
    },
  };
}

export async function until(done, milliseconds, what) {
  const late = Date.now() + milliseconds;
  while (!await done()) {
    if (Date.now() > late) throw new Error('not in time: ' + what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const picture = readFileSync(
    process.env.GEMMA3_SOURCE_DIR + '/tools/demo/eval/images/image_describe-01.png').toString('base64');
export const pictureText =
    'A large yellow star at the top right and a small yellow square on the left.';

export const weather = {
  name: 'get_weather',
  description: 'The weather in a city',
  parameters: {
    type: 'object',
    // Bounded: the demo model would write strings without end.
    properties: {city: {type: 'string', maxLength: 12}, unit: {type: 'string', enum: ['celsius', 'kelvin']}},
    required: ['city', 'unit'],
  },
};
