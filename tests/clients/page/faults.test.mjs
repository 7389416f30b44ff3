// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a server or a network does wrong: nothing that was written or that came is lost, and the page says what to do.

import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {act, answers, ask, becomes, closeBrowser, done, openBrowser, picture, ready, said, send, soon, withPage, writing} from './browser.mjs';
import {startMock} from './mock.mjs';

let mock;
before(async () => {
  mock = await startMock();
  await openBrowser();
});
after(async () => {
  await closeBrowser();
  await mock.stop();
});

const fault = (page) => page.locator('.message.last .fault').textContent();

for (const {say, shown, kept} of [
  {say: 'this is too long', shown: /context.*8192.*9412.*new conversation/su, kept: ''},
  {say: 'broken', shown: /server failed.*matmul went on strike/su, kept: ''},
  {say: 'gateway', shown: /does not answer.*gemma3 serve/su, kept: ''},
  {say: 'die', shown: /connection was lost/su, kept: 'The first half arrives, the second'},
  {say: 'early end', shown: /connection was lost/su, kept: 'Ends without a reason'},
  {say: 'fail late', shown: /server failed.*out of memory/su, kept: 'Begins well'},
  {say: 'cut off', shown: /longest length/su, kept: 'This is cut'},
]) {
  test(`fault: ${say}`, async () => {
    await withPage(mock.url, {failing: true}, async (page) => {
      await send(page, say);
      if (say === 'die') {
        await soon(async () => assert.equal((await answers(page))[0], kept));
        mock.die();
      }
      await done(page);
      await soon(async () => assert.match(await fault(page), shown));
      await soon(async () => assert.equal((await answers(page))[0], kept));
      await picture(page, `fault-${say.replaceAll(' ', '-')}`);
      // All of it survives a reload, and can be tried again.
      await page.reload();
      await ready(page);
      await becomes(said, page, [say]);
      await soon(async () => assert.match(await fault(page), shown));
      await soon(async () => assert.equal((await answers(page))[0], kept));
      mock.fixed = 'All is well.';
      await page.click(kept === '' ? '.fault [data-act=retry]' : '.fault [data-act=again]');
      await done(page);
      mock.fixed = null;
      await soon(async () => assert.equal((await answers(page))[0], 'All is well.'));
      await page.waitForSelector('.message.last .fault', {state: 'hidden'});
      // What came before is still there, beside it; an answer without a word is not.
      assert.equal(await page.locator('.message.last .versions').isVisible(), kept !== '');
    });
  });
}

test('an answer that was cut goes on', async () => {
  await withPage(mock.url, {}, async (page) => {
    await ask(page, 'cut off');
    await page.click('.fault [data-act=continue]');
    await done(page);
    await becomes(answers, page, ['This is cut and goes on.']);
    assert.deepEqual(mock.requests.at(-1).messages.at(-1), {role: 'assistant', content: 'This is cut'});
  });
});

test('a busy server is asked again, and waiting can be stopped', async () => {
  await withPage(mock.url, {failing: true}, async (page) => {
    mock.busy = 2;
    await send(page, 'hello');
    await page.waitForFunction(() => /busy/u.test(document.querySelector('.last .waiting')?.textContent));
    await picture(page, 'busy');
    await done(page);
    await becomes(answers, page, ['You said: hello']);
    mock.busy = 100;
    await send(page, 'hello again');
    await page.waitForFunction(() => /busy/u.test(document.querySelector('.last .waiting')?.textContent));
    await page.keyboard.press('Escape');
    await done(page);
    mock.busy = 0;
    await soon(async () => assert.match(await fault(page), /Stopped/u));
  });
});

test('a server that is gone, at the start and later', async () => {
  const own = await startMock();
  await withPage(own.url, {failing: true}, async (page) => {
    const port = Number(new URL(own.url).port);
    await own.stop();
    await ask(page, 'are you there?');
    await soon(async () => assert.match(await fault(page), /does not answer/u));
    const again = await startMock({port});
    await page.click('.fault [data-act=retry]');
    await done(page);
    await becomes(answers, page, ['You said: are you there?']);
    await again.stop();
  });
});

test('closing the page or stopping ends the request', async () => {
  await withPage(mock.url, {}, async (page) => {
    const before = mock.aborted;
    await send(page, 'slow');
    await writing(page);
    await page.keyboard.press('Escape');
    await done(page);
    for (let i = 0; mock.aborted === before && i < 100; ++i) await page.waitForTimeout(50);
    assert.equal(mock.aborted, before + 1);
    const [partial] = await answers(page);
    // What was written before a reload in the middle is kept as well, to the last word that was shown.
    await send(page, 'slow');
    await writing(page);
    const [, shown] = await answers(page);
    assert.ok(shown);
    await page.reload();
    await ready(page);
    await soon(async () => {
      const kept = await answers(page);
      assert.equal(kept[0], partial);
      assert.ok(kept[1].startsWith(shown), `${kept[1]} | ${shown}`);
    });
    await soon(async () => assert.match(await fault(page), /not complete/u));
  });
});

test('a key is asked for, and kept as long as the user wants', async () => {
  const own = await startMock({key: 'right'});
  await withPage(own.url, {failing: true}, async (page, {open}) => {
    await page.waitForSelector('#key-dialog[open]');
    await picture(page, 'key');
    await page.fill('#key-field', 'wrong');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => /not accepted/u.test(document.querySelector('#key-dialog[open] #key-hint')?.textContent));
    await page.fill('#key-field', 'right');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.getElementById('model').textContent === 'mock-4b');
    await ask(page, 'hello');
    assert.equal(own.requests.at(-1).authorization, 'Bearer right');
    await page.reload();
    await page.waitForFunction(() => document.getElementById('model').textContent === 'mock-4b');
    // Not in another window, unless it was asked for.
    const other = await open();
    await other.waitForSelector('#key-dialog[open]');
    await other.check('#key-keep');
    await other.fill('#key-field', 'right');
    await other.keyboard.press('Enter');
    await other.waitForFunction(() => document.getElementById('model').textContent === 'mock-4b');
    const third = await open();
    await third.waitForFunction(() => document.getElementById('model').textContent === 'mock-4b');
  });
  await own.stop();
});

test('storage that is full says so, and the conversation goes on', async () => {
  await withPage(mock.url, {}, async (page) => {
    await page.evaluate(() => {
      const {put} = IDBObjectStore.prototype;
      IDBObjectStore.prototype.put = function(...args) {
        if (!globalThis.full) return put.apply(this, args);
        throw new DOMException('full', 'QuotaExceededError');
      };
      globalThis.full = true;
    });
    await ask(page, 'hello');
    await becomes(answers, page, ['You said: hello']);
    await soon(async () => assert.match(await page.locator('#notice').textContent(), /storage is full/u));
    await page.evaluate(() => { globalThis.full = false; });
    await ask(page, 'and now?');
    await page.waitForSelector('#notice', {state: 'hidden'});
  });
});

test('a browser that forbids storage', async () => {
  await withPage(mock.url, {}, async (page, {context}) => {
    await context.addInitScript(() => {
      Object.defineProperty(globalThis, 'indexedDB', {get() { throw new DOMException('no', 'SecurityError'); }});
      Object.defineProperty(globalThis, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }});
    });
    await page.reload();
    await ready(page);
    await soon(async () => assert.match(await page.locator('#notice').textContent(), /keep nothing/u));
    await ask(page, 'hello');
    await act(page, -1, 'again');
    await done(page);
    await becomes(answers, page, ['You said: hello']);
  });
});
