// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A conversation, by `gemma3 serve` with the demo model where it is built, else by mock.mjs.

import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {act, answers, ask, becomes, closeBrowser, done, kPatience, openBrowser, picture, picturePath, ready, said, send,
        soon, startDemo, withPage, writing} from './browser.mjs';
import {startMock} from './mock.mjs';

const real = Boolean(process.env.GEMMA3_PROGRAM);
let server;

before(async () => {
  server = real ? await startDemo() : await startMock();
  await openBrowser();
});
after(async () => {
  await closeBrowser();
  await server.stop();
});

// The demo model is greedy and seeded, so that its answers are known; the mock says what it got.
async function greedy(page, tokens) {
  await page.click('#open-settings');
  await page.fill('#set-temperature', '0');
  await page.fill('#set-max_completion_tokens', String(tokens));
  await page.keyboard.press('Escape');
}

test('the policy is strict, and the files are typed', async () => {
  const response = await fetch(server.url, {headers: {Accept: 'text/html'}});
  assert.equal(response.status, 200);
  const policy = response.headers.get('content-security-policy');
  assert.match(policy, /default-src 'none'/u);
  assert.doesNotMatch(policy, /unsafe|\*|https?:/u);
  const html = await response.text();
  assert.doesNotMatch(html, /\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/iu);
  for (const [name, type] of [['page.css', 'text/css'], ['page.js', 'text/javascript'], ['favicon.svg', 'image/svg+xml'],
                              ['vendor/markdown-it.js', 'text/javascript'], ['vendor/licences.txt', 'text/plain']]) {
    const file = await fetch(server.url + name);
    assert.equal(file.status, 200, name);
    assert.ok(file.headers.get('content-type').startsWith(type), name);
    assert.equal(file.headers.get('x-content-type-options'), 'nosniff', name);
    await file.arrayBuffer();
  }
});

test('a picture, a second question, again, an edit, a reload', {timeout: 4 * kPatience}, async () => {
  await withPage(server.url, {}, async (page) => {
    await greedy(page, 300);
    await page.setInputFiles('.composer.main input[type=file]', picturePath('15'));
    await page.waitForSelector('.attachments img');
    await picture(page, 'attached');
    await ask(page, 'What is in the picture?');
    const first = (await answers(page))[0];
    assert.equal(first.trim(), real ?
        'A small red cross at the top left, a small red triangle at the top and a large red star in the center.' :
        'I see 1 picture.');
    await ask(page, 'What color is the star?');
    const second = (await answers(page))[1];
    if (real) assert.equal(second.trim(), 'The star is red.');
    assert.match(await page.locator('.message.last .stats').textContent(), /\d+ tokens?$/u);
    await picture(page, 'conversation');

    const shown = (version) => soon(async () =>
      assert.equal(await page.locator('.message.last .count').textContent(), version));
    // Again: greedy, so the same words, beside the ones before.
    await act(page, -1, 'again');
    await done(page);
    await becomes(answers, page, [first, second]);
    await shown('2/2');
    await act(page, -1, 'before');
    await shown('1/2');

    // An edited question stands beside the old one, which is not lost.
    await act(page, 2, 'edit');
    await page.fill('.composer.edit textarea', 'How many shapes are there?');
    await page.click('.composer.edit .primary');
    await done(page);
    await becomes(said, page, ['What is in the picture?', 'How many shapes are there?']);
    if (real) assert.match((await answers(page))[1], /there are 3 shapes/u);

    await page.reload();
    await ready(page);
    await becomes(said, page, ['What is in the picture?', 'How many shapes are there?']);
    await soon(async () => assert.equal((await answers(page))[0], first));
    await page.waitForSelector('.pictures img');
    assert.ok(await page.locator('.pictures img').evaluate((image) => image.decode().then(() => image.naturalWidth > 0)));
    await act(page, 2, 'before');
    await becomes(said, page, ['What is in the picture?', 'What color is the star?']);
    // It goes on from what was kept.
    await ask(page, 'How many shapes are there?');
    assert.equal((await said(page)).length, 3);
  });
});

test('an answer is stopped, and goes on', {timeout: 4 * kPatience}, async () => {
  await withPage(server.url, {}, async (page) => {
    await greedy(page, 8000);  // the demo model's stories have no end
    await send(page, real ? 'Tell me a story about shapes.' : 'slow');
    await writing(page);
    await page.click('.send.stop');
    await done(page);
    const [text] = await answers(page);
    assert.notEqual(text.trim(), '');
    // A short answer of the small model may have been over before the click.
    if (await page.locator('.last .fault').isVisible()) {
      assert.match(await page.locator('.last .fault').textContent(), /Stopped/u);
      await greedy(page, 30);
      await page.click('.fault [data-act=continue]');
      await done(page);
      const [longer] = await answers(page);
      assert.ok(longer.length >= text.trim().length);
      assert.ok(longer.startsWith(text.trim().slice(0, 20)));
      if (real) assert.doesNotMatch(await page.locator('.last .fault').textContent(), /Stopped|lost|failed/u);
      else assert.equal(await page.locator('.last .fault').isVisible(), false);
    } else {
      assert.ok(real);
    }
  });
});
