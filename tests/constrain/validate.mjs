// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Random texts that constraints let through, judged by another validator:
//
//   npm install ajv ajv-draft-04 ajv-formats
//   node tests/constrain/validate.mjs build/release/gemma3 SCHEMAS.jsonl [TEXTS] [FIRST] [LAST]
//
// A line of SCHEMAS.jsonl is a schema, or an object with a member "schema". Prints each text that
// ajv refuses, and the counts; exit code 1 where there is one.
import {spawnSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import Ajv from 'ajv';
import Ajv2020 from 'ajv/dist/2020.js';
import Ajv4 from 'ajv-draft-04';
import addFormats from 'ajv-formats';

const [program, path, texts = '20', first = '0', last = '1e9'] = process.argv.slice(2);
const options = {strict: false, logger: false, validateSchema: false, unicodeRegExp: true};

function validatorOf(schema) {
  const dialect = schema.$schema ?? '';
  const Kind = dialect.includes('draft-04') ? Ajv4 : /20(19|20)/.test(dialect) ? Ajv2020 : Ajv;
  const ajv = new Kind(options);
  addFormats(ajv);
  return ajv.compile(schema);
}

const counts = {schemas: 0, refused: 0, unjudged: 0, texts: 0, invalid: 0};
const lines = readFileSync(path, 'utf8').split('\n').filter((line) => line.trim());
for (const [number, line] of lines.entries()) {
  if (number < Number(first) || number >= Number(last)) continue;
  // The schema as it is written, with its order and numbers, when the line holds nothing else.
  const parsed = JSON.parse(line);
  const schema = parsed.schema ?? parsed;
  ++counts.schemas;
  const run = spawnSync(program, ['schema', '-', '--random', texts], {
    input: parsed.schema === undefined ? line : JSON.stringify(schema),
    encoding: 'utf8', maxBuffer: 1 << 28});
  if (run.status === 2) { ++counts.refused; continue; }
  if (run.status !== 0) { console.log(`${number}: exit code ${run.status}: ${run.stderr}`); ++counts.invalid; continue; }
  let validate;
  try { validate = validatorOf(schema); } catch (error) {
    console.log(`${number}: ajv: ${error.message}`);
    ++counts.unjudged;
    continue;
  }
  for (const text of run.stdout.split('\n').filter(Boolean)) {
    ++counts.texts;
    const written = JSON.parse(text);
    let value;
    try { value = JSON.parse(written); } catch { console.log(`${number}: no JSON: ${written}`); ++counts.invalid; continue; }
    if (validate(value)) continue;
    ++counts.invalid;
    console.log(`${number}: ${JSON.stringify(validate.errors.slice(0, 2))}\n    ${written.slice(0, 400)}`);
  }
}
console.log(JSON.stringify(counts));
process.exit(counts.invalid > 0 ? 1 : 0);
