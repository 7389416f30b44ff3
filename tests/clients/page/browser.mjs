// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A browser for the tests, and the page in it. Whatever a test does, the page must stay within its content security
// policy, ask nobody but its own server, and raise no error: withPage() checks that each time.

import assert from 'node:assert/strict';
import {join} from 'node:path';
import {chromium} from 'playwright-core';
import {startServer} from './server.mjs';

export const kPatience = Number(process.env.GEMMA3_PATIENCE_MS ?? 60000);  // of a machine that does other things as well

export const picturePath = (n) => join(process.env.GEMMA3_SOURCE_DIR, `tools/demo/eval/images/image_describe-${n}.png`);

let browser = null;

export async function openBrowser() {
  browser = await chromium.launch({
    executablePath: process.env.GEMMA3_CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
           '--disable-component-update', '--disable-sync'],
  });
}

export const closeBrowser = () => browser.close();

// Runs `test(page, helpers)` in a browser that has never seen the page. options: of the context, and
//   failing: requests that fail are part of the test, and the browser may say so on its console
export async function withPage(url, {failing = false, ...options}, test) {
  const context = await browser.newContext({viewport: {width: 1200, height: 800}, locale: 'en-US', ...options});
  context.setDefaultTimeout(kPatience);
  const faults = [];
  const watch = (page) => {
    page.on('pageerror', (error) => faults.push(`error in the page: ${error.stack}`));
    page.on('console', (message) => {
      if (message.type() !== 'error') return;
      if (failing && message.text().startsWith('Failed to load resource')) return;
      faults.push(`on the console: ${message.text()}`);
    });
    page.on('request', (request) => {
      const target = request.url();
      if (!target.startsWith(url) && !/^(data|blob):/u.test(target)) faults.push(`asked elsewhere: ${target}`);
    });
  };
  context.on('page', watch);
  const open = async () => {
    const page = await context.newPage();
    await page.goto(url);
    await ready(page);
    return page;
  };
  try {
    await test(await open(), {context, open});
  } finally {
    await context.close();
  }
  assert.deepEqual(faults, []);
}

// The page does its work behind a click or a key: `check` is tried until it holds.
export async function soon(check) {
  const late = Date.now() + kPatience;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > late) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export const ready = (page) => page.waitForSelector('html[data-ready]', {state: 'attached'});

export const answers = (page) => page.locator('.message.assistant .markdown').allTextContents();
export const said = (page) => page.locator('.message.user .text').allTextContents();
export const writing = (page) => page.waitForFunction(
    () => document.querySelector('[aria-busy=true] .markdown')?.textContent.length > 0);
// No answer is being computed, and the last one was.
export const done = (page) => page.waitForFunction(() => !document.querySelector('[aria-busy=true]') &&
    document.querySelector('.message.assistant .foot:not([hidden])') && !document.querySelector('.send.stop'));

// What is shown becomes `expected`: `what` is answers or said.
export const becomes = (what, page, expected) =>
    soon(async () => assert.deepEqual(await what(page), expected));
export const count = (page, selector, expected) =>
    soon(async () => assert.equal(await page.locator(selector).count(), expected, selector));

export async function send(page, text) {
  const before = await page.locator('.message.user').count();
  await page.fill('#composer', text);
  await page.press('#composer', 'Enter');
  await page.waitForFunction((count) => document.querySelectorAll('.message.user').length > count, before);
}

export async function ask(page, text) {
  await send(page, text);
  await done(page);
}

// A button of the message at `index` (negative: from the end).
export async function act(page, index, name) {
  const message = page.locator('.message').nth(index);
  await message.hover();
  await message.locator(`[data-act="${name}"]`).click();
}

export async function picture(page, name) {
  if (!process.env.GEMMA3_PICTURES) return;
  await page.waitForTimeout(250);  // what fades is over
  await page.screenshot({path: join(process.env.GEMMA3_PICTURES, `${name}.png`)});
}

// `gemma3 serve demo`, at the address of its page.
export async function startDemo() {
  const server = await startServer();
  return {...server, url: `${server.url}/`};
}
