#!/usr/bin/env python3
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Writes added_tokens.json beside this script: tokens of all kinds added to the demo model's
# tokenizer.json, and texts with the ids that the tokenizers package (0.23.1 when it was made) gives
# them.
#
#   python3 make_added_tokens.py ../../../tools/demo/tiny-gemma3/tokenizer.json
#
# Ids are those of tokenizers after everything that this project never makes from text was taken out
# of its added_tokens: special tokens, the marks of the template and <unusedN>.
import json
import os
import random
import re
import sys

from tokenizers import AddedToken, Tokenizer

with open(sys.argv[1], encoding="utf-8") as file:
    base = json.load(file)
tokenizer = Tokenizer.from_str(json.dumps(base))


def plain(text, **flags):
    return AddedToken(text, **{"normalized": False, **flags})


NORMAL = [
    AddedToken("XYZZY"),  # normalized, as add_tokens makes it from a string
    plain("foo bar"), AddedToken("two  spaces"), plain(" lead"), AddedToken("tail "),
    plain("日本特別"), AddedToken("naïve ßtoken"),
    plain("<tool_call>"), plain("</tool_call>"), plain("<think>"), plain("[SPECIAL9]"),
    plain("single", single_word=True), AddedToken("éword", single_word=True),
    plain("LS", lstrip=True), plain("RS", rstrip=True), plain("BOTH", lstrip=True, rstrip=True),
    AddedToken("NLS", lstrip=True), AddedToken("NRS", rstrip=True),
    AddedToken("ALL", lstrip=True, rstrip=True, single_word=True),
    plain("ovl"), plain("ovlap"), plain("laps"), AddedToken("lapsed"), plain("apse", single_word=True),
    plain("\n\nX"), plain("z<b>"), plain("\t\tT", rstrip=True), plain("☃"),
    plain("☂", single_word=True),
    # Pieces of the base vocabulary.
    plain("red", single_word=True), AddedToken("circle"), plain("blue", lstrip=True),
]
SPECIAL = [AddedToken("###END", special=True, normalized=False),
           AddedToken("<|im_end|>", special=True, normalized=False, rstrip=True),
           AddedToken("<mark with space>", special=True, normalized=False),
           AddedToken("♥", special=True, normalized=False),
           AddedToken("green", special=True, normalized=False)]
tokenizer.add_tokens(NORMAL)
tokenizer.add_special_tokens(SPECIAL)
full = json.loads(tokenizer.to_str())
ids = {token["content"]: token["id"] for token in full["added_tokens"]}
ids.update({text: id for text, id in full["model"]["vocab"].items() if text not in ids})

RESERVED = {"<mask>", "[multimodal]", "<start_of_turn>", "<end_of_turn>", "<start_of_image>",
            "<end_of_image>", "<image_soft_token>", "<pad>", "<eos>", "<bos>", "<unk>"}
of_text = dict(full, added_tokens=[
    token for token in full["added_tokens"]
    if not token["special"] and token["content"] not in RESERVED
    and not re.fullmatch("<unused[0-9]+>", token["content"])])
# A special token that the vocabulary has as a piece is none that text becomes, either.
for token in SPECIAL:
    if token.content in of_text["model"]["vocab"]:
        raise SystemExit(token.content + " is a piece of the demo's vocabulary; take another")
reference = Tokenizer.from_str(json.dumps(of_text))


def encode(text):
    # The reference numbers tokens anew; their spellings are the same, but for normalized spaces.
    names = map(reference.id_to_token, reference.encode(text, add_special_tokens=False).ids)
    return [ids[name] if name in ids else ids[name.replace("\u2581", " ")] for name in names]


names = [token.content for token in NORMAL + SPECIAL]
fillers = [" ", "  ", "\n", "\n\n", "\n\n\n", "\t", "\u00a0", "\u3000", "a", "x", "_", "9", "é", "日",
           "\u0301", "-", ".", "<b>", "<", ">", "the ", " is", "two", "foo", "bar", "lap", "ov", "X",
           "T", "single", "s", "<end_of_turn>", "<unused7>", "😀", "A red star", "\u200d"]
texts = list(names)
for name in names:
    texts += [name + name, name + " " + name, " " + name + " ", "\t\n " + name + " \n\t", "a" + name,
              name + "a", "-" + name + "-", "é" + name, name + "_", name[:-1], name[1:]]
random.seed(3)
for _ in range(600):
    parts = random.randint(2, 9)
    texts.append("".join(random.choice(names if random.random() < 0.45 else fillers)
                         for _ in range(parts)))
texts = sorted({text for text in texts if text})
out = {
    "added_tokens": full["added_tokens"],
    "texts": [[text, encode(text)] for text in texts],
}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "added_tokens.json"), "w",
          encoding="utf-8") as file:
    file.write('{"added_tokens": [\n')
    file.write(",\n".join(json.dumps(t, ensure_ascii=False) for t in out["added_tokens"]))
    file.write('\n],\n"texts": [\n')
    file.write(",\n".join(json.dumps(t, ensure_ascii=False) for t in out["texts"]))
    file.write("\n]}\n")
