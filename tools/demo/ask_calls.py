#!/usr/bin/env python3
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
"""Asks the demo model the function_call questions of eval/eval.jsonl, free and constrained.

    tools/demo/ask_calls.py build/release/gemma3

Constrained, an answer is a call of one of the functions that the question offers, in a code block
or not, or the sentence that none of them will do: a grammar for each question.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
VALUES = {"string": "text", "str": "text", "integer": "number", "int": "number", "boolean": "truth",
          "bool": "truth"}
BASICS = r'''
text ::= "\"" [^"\\\x00-\x1F]* "\""
number ::= "0" | [1-9] [0-9]{0,8}
truth ::= "true" | "false"
'''


def functions_of(question):
    """Name and parameters of each function, from Python signatures or from JSON."""
    found = re.search(r"^\[\{.*?\}\]$", question, re.S | re.M)
    if found:
        return [(f["name"], list(f["parameters"].items())) for f in json.loads(found.group(0))]
    return [(name, [tuple(p.split(": ")) for p in parameters.split(", ")])
            for name, parameters in re.findall(r"^def (\w+)\((.*?)\):", question, re.M)]


def literal(text):
    return json.dumps(text)


def grammar_of(question):
    calls = []
    for name, parameters in functions_of(question):
        parts = [literal('{"name": "%s", "parameters": {' % name)]
        for i, (key, kind) in enumerate(parameters):
            parts += [literal('%s"%s": ' % (", " if i else "", key)), VALUES[kind]]
        calls.append(" ".join(parts + [literal("}}")]))
    return ('root ::= call | "```json\\n" call "\\n```" | "None of the functions can do that."\n'
            "call ::= " + " | ".join(calls) + BASICS)


def is_right(answer, question):
    if question["match"] == "exact":
        return answer.strip() == question["expected"]
    found = re.search(r"\{.*\}", answer, re.S)
    try:
        return found is not None and json.loads(found.group(0)) == json.loads(question["expected"])
    except ValueError:
        return False


def main():
    program = sys.argv[1]
    lines = (HERE / "eval" / "eval.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [q for q in map(json.loads, lines) if q["task"] == "function_call"]
    for way in ("free", "constrained"):
        right = {"json": 0, "exact": 0}
        for question in questions:
            text = question["messages"][0]["content"][0]["text"]
            with tempfile.NamedTemporaryFile("w", suffix=".gbnf") as grammar:
                grammar.write(grammar_of(text))
                grammar.flush()
                flags = ["--grammar", grammar.name] if way == "constrained" else []
                run = subprocess.run([program, "run", str(HERE / "tiny-gemma3"), "--temperature", "0",
                                      "--max-tokens", "96", "--no-stdin", *flags, text],
                                     capture_output=True, text=True, check=True)
            right[question["match"]] += is_right(run.stdout, question)
        calls = sum(q["match"] == "json" for q in questions)
        print(f"{way}: {right['json'] + right['exact']} of {len(questions)} right; "
              f"calls {right['json']} of {calls}, none will do {right['exact']} of {len(questions) - calls}")


if __name__ == "__main__":
    main()
