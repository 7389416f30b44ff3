// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What this library and XGrammar accept of the same schemas, beside what the source says:
//
//   npm install @mlc-ai/web-xgrammar
//   node tests/constrain/compare_with_xgrammar.mjs build/release/gemma3 SCHEMAS.jsonl [FIRST] [LAST]
//
// A line of SCHEMAS.jsonl has members "schema" and "tests", a list of {"valid", "data"}. Prints each
// difference, and the counts.
import {spawnSync} from 'node:child_process';
import {copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';


const [program, path, first = '0', last = '1e9'] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'compare-'));
// The package is CommonJS that says it is a module.
const require = createRequire(import.meta.url);
copyFileSync(require.resolve('@mlc-ai/web-xgrammar'), join(folder, 'xgrammar.cjs'));
const {Grammar, Testings} = require(join(folder, 'xgrammar.cjs'));
const counts = {schemas: 0, both: 0, equal: 0, onlyHere: 0, onlyThere: 0, invalidHere: 0,
                invalidThere: 0, validRefusedHere: 0, validRefusedThere: 0};

// True and false by line; null where the schema is refused.
function here(schema, texts) {
  const file = join(folder, 'instances.jsonl');
  writeFileSync(file, texts.map((text) => JSON.stringify(text)).join('\n') + '\n');
  const run = spawnSync(program, ['schema', '-', '--check', file, '--json'],
                        {input: JSON.stringify(schema), encoding: 'utf8'});
  if (run.status !== 0) return null;
  return run.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line).accepted);
}

const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
for (const [number, line] of lines.entries()) {
  if (number < Number(first) || number >= Number(last)) continue;
  const {schema, tests} = JSON.parse(line);
  const texts = tests.map((test) => JSON.stringify(test.data));
  ++counts.schemas;
  const ours = here(schema, texts);
  let grammar = null;
  try {
    grammar = await Grammar.fromJSONSchema(JSON.stringify(schema), true, undefined, undefined, false);
  } catch {
    continue;
  }
  if (ours === null) continue;
  ++counts.both;
  for (const [i, test] of tests.entries()) {
    const theirs = await Testings.isGrammarAcceptString(grammar, texts[i]);
    if (ours[i] && !test.valid) ++counts.invalidHere;
    if (theirs && !test.valid) ++counts.invalidThere;
    if (!ours[i] && test.valid) ++counts.validRefusedHere;
    if (!theirs && test.valid) ++counts.validRefusedThere;
    if (ours[i] === theirs) { ++counts.equal; continue; }
    ++counts[ours[i] ? 'onlyHere' : 'onlyThere'];
    console.log(`${number} ${test.valid ? 'valid' : 'invalid'}: accepted ${ours[i] ? 'here' : 'there'} only: ` +
                texts[i].slice(0, 200));
  }
  grammar.dispose?.();
}
rmSync(folder, {recursive: true});
console.log(JSON.stringify(counts));
