// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What the page makes of hostile text, keys, pictures, languages, narrow screens, and how it keeps conversations.

import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {after, before, test} from 'node:test';
import {act, answers, ask, becomes, closeBrowser, count, done, openBrowser, picture, picturePath, ready, said, send, soon,
        withPage, writing} from './browser.mjs';
import {kHostile, startMock} from './mock.mjs';

let mock;
before(async () => {
  mock = await startMock();
  await openBrowser();
});
after(async () => {
  await closeBrowser();
  await mock.stop();
});

async function answerWith(page, text, question = 'tell me') {
  mock.fixed = text;
  await ask(page, question);
  mock.fixed = null;
}

test('what a model writes stays text', async () => {
  await withPage(mock.url, {}, async (page) => {
    for (const text of [kHostile, ...kHostile.split('\n\n')]) {
      await answerWith(page, text, text);  // and what a user writes as well
    }
    await page.waitForTimeout(300);
    assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
    const found = await page.evaluate(() => Array.from(document.querySelectorAll('#messages *'), (node) => ({
      name: node.localName,
      handlers: node.getAttributeNames().filter((name) => name.startsWith('on') || name === 'style' || name === 'srcset'),
      href: node.getAttribute('href'), src: node.getAttribute('src'), rel: node.getAttribute('rel'),
      button: Boolean(node.closest('button')) || node.localName === 'use',
    })));
    for (const {name, handlers, href, src, rel, button} of found) {
      assert.ok(!/^(script|iframe|object|embed|style|link|form|base|meta|img|video|audio)$/u.test(name), name);
      assert.deepEqual(handlers, []);
      assert.equal(src, null);
      if (href === null || button) continue;
      assert.match(href, /^https?:\/\//u);
      assert.match(rel, /noopener/u);
    }
    // The pictures became links, and the good links are links.
    const links = await page.locator('.message.assistant a').evaluateAll((all) => all.map((link) => link.href));
    assert.ok(links.includes('https://example.org/a?b=c'));
    assert.ok(links.includes('https://example.net/plain'));
    assert.ok(links.includes('https://evil.example/pixel.png?q=secret'));
    await picture(page, 'hostile');
  });
});

test('a growing answer is parsed at its end only, and comes out the same', async () => {
  await withPage(mock.url, {}, async (page) => {
    const result = await page.evaluate(async () => {
      const {MarkdownView} = await import('./markdown.js');
      const samples = [
        'One\n\nTwo\n===\n\n1. a\n\n2. b\n\n   c\n\ntext\n\n- x\n- y\n\n+ z\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\nend',
        '```js\nlet a = 1;\n\nlet b = `x`;\n```\n\n    indented\n\n    more\n\n> quote\n> more\n\n---\n\n*a* **b** `c`',
        'a $x_1$ and $5 and $6, \\(y_2\\) \\[z\\]\n\n$$\na_1\n$$\n\n# h1\n## h2\ntext\r\n\r\nmore\r\rend ![p](https://x.example/y)',
      ];
      const differences = [];
      for (const sample of samples) {
        const grown = document.createElement('div');
        const view = new MarkdownView(grown);
        for (let i = 1; i <= sample.length; ++i) {
          view.show(sample.slice(0, i), false);
          const whole = document.createElement('div');
          new MarkdownView(whole).show(sample.slice(0, i), true);
          if (!grown.isEqualNode(whole)) differences.push(sample.slice(0, i));
        }
      }
      const grow = (paragraphs) => {
        const root = document.createElement('div');
        const view = new MarkdownView(root);
        let text = '';
        const begin = performance.now();
        let first = null;
        for (let i = 0; i < paragraphs; ++i) {
          text += `Paragraph ${i} with *emphasis* and \`code\`.\n\n`;
          view.show(text, false);
          first ??= root.firstChild;
        }
        return {ms: performance.now() - begin, kept: first === root.firstChild, blocks: root.childElementCount};
      };
      grow(200);
      return {differences, few: grow(500), many: grow(4000)};
    });
    assert.deepEqual(result.differences, []);
    assert.ok(result.many.kept);
    assert.equal(result.many.blocks, 4000);
    console.log(`500 paragraphs: ${result.few.ms.toFixed(0)} ms, 4000: ${result.many.ms.toFixed(0)} ms`);
    // Eight times the text: 64 times the work if all of it were parsed again each time.
    assert.ok(result.many.ms < 24 * result.few.ms + 50);
  });
});

test('a fast answer is shown without long pauses, and the view stays where the user scrolled', async () => {
  await withPage(mock.url, {}, async (page) => {
    await page.evaluate(() => {
      globalThis.longest = 0;
      new PerformanceObserver((list) => {
        for (const {duration} of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, duration);
      }).observe({type: 'longtask'});
    });
    await send(page, 'endless');
    await page.waitForFunction(() => document.querySelectorAll('.markdown p').length > 25);
    await soon(async () => {
      const atEnd = await page.evaluate(() => {
        const scroll = document.getElementById('scroll');
        return scroll.scrollHeight - scroll.clientHeight - scroll.scrollTop;
      });
      assert.ok(atEnd < 60, `${atEnd} pixels from the end`);
    });
    await page.hover('#messages');
    await page.mouse.wheel(0, -600);
    await page.waitForSelector('#to-end', {state: 'visible'});
    const top = await page.evaluate(() => document.getElementById('scroll').scrollTop);
    const count = await page.locator('.markdown p').count();
    await page.waitForFunction((n) => document.querySelectorAll('.markdown p').length > n + 5, count);
    assert.equal(await page.evaluate(() => document.getElementById('scroll').scrollTop), top);
    await page.click('#to-end');
    await page.waitForSelector('#to-end', {state: 'hidden'});
    await page.keyboard.press('Escape');
    await done(page);
    console.log(`longest task while an answer grew: ${await page.evaluate(() => globalThis.longest)} ms`);
  });
});

test('Enter in an input method does not send', async () => {
  await withPage(mock.url, {}, async (page, {context}) => {
    const client = await context.newCDPSession(page);
    await page.focus('#composer');
    await page.evaluate(() => {
      globalThis.seen = [];
      addEventListener('keydown', (event) => globalThis.seen.push([event.key, event.isComposing]), true);
    });
    await client.send('Input.imeSetComposition', {text: '안녕', selectionStart: 2, selectionEnd: 2});
    const count = mock.requests.length;
    await page.keyboard.press('Enter');
    // Safari: the composition is over, and the key still belongs to it.
    await page.evaluate(() => document.getElementById('composer').dispatchEvent(
        new KeyboardEvent('keydown', {key: 'Enter', keyCode: 229, bubbles: true, cancelable: true})));
    await page.waitForTimeout(200);
    await soon(async () => assert.ok(
        (await page.evaluate(() => globalThis.seen)).some(([key, composing]) => key === 'Enter' && composing)));
    assert.equal(await page.locator('.message').count(), 0);
    assert.equal(mock.requests.length, count);
    await page.fill('#composer', '');
    await client.send('Input.insertText', {text: '안녕하세요'});
    await page.keyboard.press('Enter');
    await done(page);
    await becomes(said, page, ['안녕하세요']);
  });
});

test('by keyboard alone', async () => {
  await withPage(mock.url, {}, async (page) => {
    const focused = () => page.evaluate(() => {
      const node = document.activeElement;
      return node.getAttribute('aria-label') || node.textContent.trim() || node.localName;
    });
    const tabTo = async (name, key = 'Tab') => {
      for (let i = 0; i < 60; ++i) {
        if (await focused() === name) return;
        await page.keyboard.press(key);
      }
      assert.fail(`${key} never came to ${name}`);
    };
    const focuses = (name) => soon(async () => assert.equal(await focused(), name));
    const messages = (count) => page.waitForFunction(
      (wanted) => document.querySelectorAll('.message').length === wanted, count);
    await focuses('Message');
    await page.keyboard.type('first line');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('second line');
    await page.keyboard.press('Enter');
    await done(page);
    await becomes(said, page, ['first line\nsecond line']);
    await focuses('Message');
    // ArrowUp edits what was said last; Escape leaves it as it was, and the focus where it belongs.
    await page.keyboard.press('ArrowUp');
    await page.waitForSelector('.composer.edit');
    await focuses('Edit your message');
    await page.keyboard.press('Escape');
    await focuses('Edit');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.composer.edit');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('something else');
    await page.keyboard.press('Enter');
    await done(page);
    await becomes(answers, page, ['You said: something else']);
    // Back to the earlier version, and copy it.
    await tabTo('Version before', 'Shift+Tab');
    await page.keyboard.press('Enter');
    await becomes(said, page, ['first line\nsecond line']);
    await tabTo('Answer again');
    await page.keyboard.press('Enter');
    await done(page);
    await focuses('Message');
    // Settings: opened, changed and left, with the focus back at the button.
    await tabTo('Settings', 'Shift+Tab');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#settings[open]');
    await page.focus('#set-temperature');
    await page.keyboard.type('9');
    await soon(async () => assert.match(await page.locator('#fault-temperature').textContent(), /from 0 to 2/u));
    await page.keyboard.press('Backspace');
    await page.keyboard.type('0.5');
    await page.keyboard.press('Escape');
    await focuses('Settings');
    await tabTo('Message');
    await page.keyboard.type('slow');
    await page.keyboard.press('Enter');
    await writing(page);
    assert.equal(mock.requests.at(-1).temperature, 0.5);
    await page.keyboard.press('Escape');
    await done(page);
    // Delete, and take it back.
    await tabTo('Delete from here on', 'Shift+Tab');
    await page.keyboard.press('Enter');
    await messages(3);
    await focuses('Message');
    await tabTo('Undo');
    await page.keyboard.press('Enter');
    await messages(4);
  });
});

test('screen readers hear what happens, not each token', async () => {
  await withPage(mock.url, {}, async (page) => {
    await page.evaluate(() => {
      globalThis.heard = [];
      const status = document.getElementById('status');
      new MutationObserver(() => { if (status.textContent) globalThis.heard.push(status.textContent); })
          .observe(status, {childList: true, characterData: true, subtree: true});
    });
    await answerWith(page, '# Title\n\nSome words.\n\n```py\nx\n```', 'hello');
    // What begins and is over at once is told once.
    await page.waitForFunction(() => globalThis.heard.some((text) => text.startsWith('Answer: ')));
    const heard = await page.evaluate(() => globalThis.heard);
    assert.ok(heard.length <= 2, heard.join(' | '));
    assert.match(heard.at(-1), /^Answer: .*Some words/su);
    assert.equal(await page.locator('#messages [aria-live], #messages [role=log]').count(), 0);
    // Headings lead from message to message; those of an answer lie below.
    assert.deepEqual(await page.locator('#main :is(h1, h2, h3, h4)').evaluateAll((all) => all.map((node) => node.localName)),
                     ['h1', 'h2', 'h2', 'h3']);
    const nameless = await page.locator('button, input, textarea, select, a').evaluateAll((all) => all.filter((node) =>
      !node.getAttribute('aria-label') && !node.textContent.trim() && !node.labels?.length).map((node) => node.outerHTML));
    assert.deepEqual(nameless.filter((html) => !html.includes('file-import')), []);
    assert.equal(await page.locator('img:not([alt])').count(), 0);
  });
});

test('pictures by choice, paste and drop, with preview and removal', async () => {
  await withPage(mock.url, {permissions: ['clipboard-read', 'clipboard-write']}, async (page) => {
    const png = readFileSync(picturePath('15'));
    await page.setInputFiles('.composer.main input[type=file]', picturePath('15'));
    await page.waitForSelector('.attachments li');
    const transfer = await page.evaluateHandle((base64) => {
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], 'dropped.png', {type: 'image/png'}));
      return transfer;
    }, png.toString('base64'));
    // Pasted for real: through the clipboard and its keys.
    await page.evaluate(async (base64) => {
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      await navigator.clipboard.write([new ClipboardItem({'image/png': new Blob([bytes], {type: 'image/png'})})]);
    }, png.toString('base64'));
    await page.focus('#composer');
    await page.keyboard.press('Control+V');
    await page.waitForFunction(() => document.querySelectorAll('.attachments li').length === 2);
    await page.dispatchEvent('#scroll', 'dragenter', {dataTransfer: transfer});
    await page.waitForSelector('#drop', {state: 'visible'});
    await page.dispatchEvent('#scroll', 'drop', {dataTransfer: transfer});
    await page.waitForFunction(() => document.querySelectorAll('.attachments li').length === 3);
    await page.waitForSelector('#drop', {state: 'hidden'});
    await page.click('.attachments li:nth-child(2) button');
    await count(page, '.attachments li', 2);
    await ask(page, 'what is this?');
    await becomes(answers, page, ['I see 2 pictures.']);
    // The very bytes, in front of the text.
    const {content} = mock.requests.at(-1).messages[0];
    assert.deepEqual(content.map(({type}) => type), ['image_url', 'image_url', 'text']);
    assert.equal(content[0].image_url.url, `data:image/png;base64,${png.toString('base64')}`);
    assert.equal(content[1].image_url.url, `data:image/png;base64,${png.toString('base64')}`);
    // Editing keeps them; one can be taken away.
    await act(page, 0, 'edit');
    await page.click('.composer.edit .attachments li:first-child button');
    await page.click('.composer.edit .primary');
    await done(page);
    await becomes(answers, page, ['I see 1 picture.']);
    // What is no picture is refused in words.
    await page.setInputFiles('.composer.main input[type=file]',
                             {name: 'notes.png', mimeType: 'image/png', buffer: Buffer.from('no picture')});
    await page.waitForFunction(() => /notes\.png.*not a picture/u.test(document.getElementById('toasts').textContent));
    // Text that comes with a picture of itself is pasted as text.
    await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(2, 2);
      canvas.getContext('2d');
      await navigator.clipboard.write([new ClipboardItem({
        'image/png': await canvas.convertToBlob(), 'text/plain': new Blob(['a cell'], {type: 'text/plain'}),
      })]);
    });
    await page.focus('#composer');
    await page.keyboard.press('Control+V');
    await page.waitForFunction(() => document.getElementById('composer').value === 'a cell');
    assert.equal(await page.locator('.composer.main .attachments li').count(), 0);
  });
});

test('editing, deleting and undoing', async () => {
  await withPage(mock.url, {}, async (page) => {
    await ask(page, 'one');
    await ask(page, 'two');
    // An answer that was changed is what the model reads from then on.
    await act(page, 1, 'edit');
    await page.fill('.composer.edit textarea', 'I never said that.');
    await page.click('.composer.edit .primary');
    await becomes(answers, page, ['I never said that.', 'You said: two']);
    await ask(page, 'three');
    assert.deepEqual(mock.requests.at(-1).messages.map(({content}) => content),
                     ['one', 'I never said that.', 'two', 'You said: **two**', 'three']);
    await act(page, 2, 'delete');
    await becomes(said, page, ['one']);
    await page.click('.toast button');
    await page.waitForFunction(() => document.querySelectorAll('.message').length === 6);
    await act(page, 4, 'delete');
    await page.waitForFunction(() => /2 messages were deleted/u.test(document.getElementById('toasts').textContent));
    await page.reload();
    await ready(page);
    await becomes(said, page, ['one', 'two']);
    // Copies are what was written, not what it looks like.
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await act(page, 3, 'copy');
    const copied = (text) => soon(async () =>
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), text));
    await copied('You said: **two**');
    await answerWith(page, '```sh\nls -l\n\n  echo "a  b"\n```', 'code');
    await page.click('.copy-code');
    await copied('ls -l\n\n  echo "a  b"');
  });
});

test('several conversations: kept, searched, renamed, exported, deleted, imported', async () => {
  await withPage(mock.url, {}, async (page) => {
    await page.setInputFiles('.composer.main input[type=file]', picturePath('15'));
    await page.waitForSelector('.attachments li');
    await ask(page, 'the first');
    const address = page.url();
    await page.click('#new-chat');
    await page.fill('#composer', 'not sent yet');
    await page.goBack();
    await page.waitForFunction(() => document.querySelectorAll('.message').length === 2);
    const draft = (text) => soon(async () => assert.equal(await page.inputValue('#composer'), text));
    await draft('');
    await page.click('#new-chat');
    await draft('not sent yet');
    await ask(page, 'the second');
    await count(page, '#conversations li[data-id]', 2);
    await page.click('#conversations [data-act=rename]');
    await page.keyboard.type('A <b>better</b> name');
    await page.keyboard.press('Enter');
    await soon(async () => assert.equal(await page.locator('#title').textContent(), 'A <b>better</b> name'));

    const exported = page.waitForEvent('download');
    await page.click('#open-settings');
    await page.click('#export-all');
    const path = await (await exported).path();
    const file = JSON.parse(readFileSync(path, 'utf8'));
    assert.equal(file.conversations.length, 2);

    await page.click('#delete-all');
    await picture(page, 'delete-all');
    await page.keyboard.press('Enter');  // Cancel has the focus
    await page.waitForSelector('#ask-yes', {state: 'hidden'});
    await count(page, '#conversations li[data-id]', 2);
    await page.click('#delete-all');
    await page.click('#ask-yes');
    await page.waitForFunction(() => document.querySelectorAll('#conversations li').length === 0);
    await count(page, '.message', 0);

    const bring = async (value) => {
      await page.evaluate(() => document.getElementById('toasts').replaceChildren());
      await page.setInputFiles('#file-import', {name: 'x.json', mimeType: 'application/json', buffer: Buffer.from(value)});
      await page.waitForSelector('.toast');
      return page.locator('.toast').textContent();
    };
    const broken = (change) => {
      const copy = structuredClone(file);
      change(copy.conversations[0], copy);
      return JSON.stringify(copy);
    };
    assert.match(await bring('not json'), /not JSON/u);
    assert.match(await bring('{"a": 1}'), /no conversations/u);
    for (const change of [
      (conversation) => { conversation.messages[0].parent = 'nobody'; },
      (conversation) => { conversation.messages[0].parent = conversation.messages[0].id; },
      (conversation) => { conversation.messages[0].role = 'system'; },
      (conversation) => { conversation.messages[0].text = {a: 1}; },
      (conversation) => { conversation.messages[0].pictures = [{name: 'x', data: 'https://evil.example/x.png'}]; },
      (conversation) => { conversation.messages[0].pictures = [{name: 'x', data: 'data:image/svg+xml;base64,AAAA'}]; },
      (conversation) => { conversation.messages = 'x'; },
    ]) assert.match(await bring(broken(change)), /damaged/u, change.toString());
    assert.match(await bring(broken((_, copy) => { copy.version = 99; })), /newer/u);
    assert.equal(await page.locator('#conversations li[data-id]').count(), 0);
    assert.match(await bring(JSON.stringify(file)), /2 conversations were imported/u);
    await page.goto(address);
    await page.waitForFunction(() => /not in this browser/u.test(document.getElementById('toasts').textContent));
    await page.click('#conversations li[data-id]:last-child a');
    await page.waitForFunction(() => document.querySelectorAll('.message').length === 2);
    await becomes(said, page, ['the first']);
    assert.ok(await page.locator('.pictures img').evaluate((image) => image.decode().then(() => image.naturalWidth > 0)));

    await page.click('#conversations .open [data-act=remove]');
    await page.waitForFunction(() => document.querySelectorAll('#conversations li[data-id]').length === 1);
    await page.click('.toast button');
    await page.waitForFunction(() => document.querySelectorAll('.message').length === 2);
    await becomes(said, page, ['the first']);
  });
});

test('an answer goes on while another conversation is read; two windows do not overwrite each other', async () => {
  await withPage(mock.url, {}, async (page, {context}) => {
    await send(page, 'slow');
    await writing(page);
    await page.click('#new-chat');
    await ask(page, 'meanwhile');
    await becomes(answers, page, ['You said: meanwhile']);
    await page.locator('#conversations li.running a').click();
    await writing(page);
    await page.keyboard.press('Escape');
    await done(page);
    await page.click('#new-chat');
    await ask(page, 'shared');
    const other = await context.newPage();
    await other.goto(page.url());
    await ready(other);
    await ask(other, 'from the other');
    await page.waitForFunction(() => document.querySelectorAll('.message').length === 4);
    await ask(page, 'from the first');
    await other.waitForFunction(() => document.querySelectorAll('.message').length === 6);
    await page.reload();
    await ready(page);
    await becomes(said, page, ['shared', 'from the other', 'from the first']);
  });
});

test('system text and settings are what is sent', async () => {
  const own = await startMock({models: ['one', 'two'], pictures: false});
  await withPage(own.url, {}, async (page) => {
    await page.selectOption('#model select', 'two');
    await page.click('#open-settings');
    await page.fill('#set-system', 'Be brief.');
    await page.fill('#set-temperature', '0.7');
    await page.fill('#set-top_k', '40');
    await page.fill('#set-seed', '7');
    await page.fill('#set-max_completion_tokens', '1.5');  // no whole number: not taken
    await picture(page, 'settings');
    await page.keyboard.press('Escape');
    await ask(page, 'hello');
    const {messages, ...rest} = own.requests.at(-1);
    assert.deepEqual(messages, [{role: 'system', content: 'Be brief.'}, {role: 'user', content: 'hello'}]);
    assert.deepEqual(rest, {model: 'two', temperature: 0.7, top_k: 40, seed: 7, stream: true,
                            stream_options: {include_usage: true}, authorization: null});
    // A model that reads text only says so instead of taking pictures.
    await page.click('.composer.main .attach', {force: true});  // it looks disabled, and says why
    await page.waitForFunction(() => /text only/u.test(document.getElementById('toasts').textContent));
    // They hold in the next conversation, and after a reload.
    await page.reload();
    await ready(page);
    await page.click('#new-chat');
    await ask(page, 'again');
    assert.equal(own.requests.at(-1).temperature, 0.7);
    assert.equal(own.requests.at(-1).model, 'two');
    await page.click('#open-settings');
    await page.click('#reset-settings');
    await page.keyboard.press('Escape');
    await ask(page, 'plain');
    assert.equal(own.requests.at(-1).temperature, undefined);
    assert.equal(own.requests.at(-1).messages[0].role, 'user');
  });
  await own.stop();
});

const kMixed = `مرحبا، هذا نص عربي مع كلمة English في الوسط.

- العنصر الأول
- An English item

English with עברית inside.

안녕하세요, 한국어 문장입니다.

\`\`\`
code stays left
\`\`\``;

test('Korean and right-to-left text in order', async () => {
  await withPage(mock.url, {}, async (page) => {
    await answerWith(page, kMixed, 'مرحبا\nand English');
    const blocks = await page.locator('.markdown > *').evaluateAll((all) => all.map((node) =>
      [node.localName, getComputedStyle(node).direction, node.lang]));
    assert.deepEqual(blocks, [['p', 'rtl', ''], ['ul', 'rtl', ''], ['p', 'ltr', ''], ['p', 'ltr', 'ko'], ['div', 'ltr', '']]);
    assert.equal(await page.locator('.markdown p:lang(ko)').evaluate((node) => getComputedStyle(node).wordBreak), 'keep-all');
    // Each line of what the user wrote has its own direction.
    assert.equal(await page.locator('.plain-text').evaluate((node) => getComputedStyle(node).unicodeBidi), 'plaintext');
    // An English item of an Arabic list is read from the left, and stands at the list's side.
    assert.deepEqual(await page.locator('.markdown li').evaluateAll((all) => all.map((node) =>
      [getComputedStyle(node).textAlign, getComputedStyle(node).unicodeBidi])), [['right', 'plaintext'], ['right', 'plaintext']]);
    await picture(page, 'languages');
  });
});

test('narrow screens', async () => {
  await withPage(mock.url, {viewport: {width: 320, height: 560}}, async (page) => {
    const word = 'Donaudampfschifffahrtsgesellschaft'.repeat(4);
    await answerWith(page, `${word}\n\n| a | b | c |\n| - | - | - |\n| ${word} | x | y |\n\n\`\`\`\n${word}\n\`\`\`\n\n\`${word}\``, word);
    const wide = await page.evaluate(() => [document.documentElement.scrollWidth, document.getElementById('scroll').scrollWidth]);
    assert.ok(wide.every((width) => width <= 320), wide.join());
    await picture(page, 'narrow');
    // The list lies over the page, takes the focus and gives it back.
    const inert = (selector) => soon(async () =>
      assert.equal(await page.locator(selector).evaluate((node) => node.inert), true, selector));
    await inert('#sidebar');
    await page.click('#open-sidebar');
    await inert('#main');
    await picture(page, 'narrow-list');
    await page.keyboard.press('Escape');
    await soon(async () => assert.equal(await page.evaluate(() => document.activeElement.id), 'open-sidebar'));
    await page.click('#open-settings');
    await page.waitForSelector('#settings[open]');
    await picture(page, 'narrow-settings');
    assert.ok(await page.locator('#settings').evaluate((node) => node.scrollWidth <= node.clientWidth));
  });
});

test('light and dark', async () => {
  await withPage(mock.url, {colorScheme: 'dark'}, async (page) => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const becomesGround = (colour) => soon(async () => assert.equal(await ground(), colour));
    const dark = await ground();
    await answerWith(page, '# Night\n\nSome `code`, a [link](https://example.org).\n\n```c\nint x;\n```\n\n> quote');
    await picture(page, 'dark');
    await page.emulateMedia({colorScheme: 'light'});
    await soon(async () => assert.notEqual(await ground(), dark));
    await page.waitForTimeout(250);  // what fades is over
    const light = await ground();
    await picture(page, 'light');
    await page.click('#theme');  // light
    await page.click('#theme');  // dark
    await becomesGround(dark);
    await page.reload();
    await becomesGround(dark);
    await page.click('#theme');  // the system's
    await becomesGround(light);
  });
});
