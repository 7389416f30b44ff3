#!/usr/bin/env python3
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Writes word_ranges.inc: the characters that \w of Rust's regex crate matches, which is UTS #18's
# definition: letters and other alphabetic characters, marks, decimal digits, connector punctuation,
# joiners. The categories come from Python's unicodedata; compared with the tokenizers package 0.23
# (single_word beside every code point), both of Unicode 16, without a difference.
#
#   python3 make_word_ranges.py > word_ranges.inc
import unicodedata

# Alphabetic, but neither letters nor marks: circled and squared letters.
OTHER_ALPHABETIC = [(0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189)]


def is_word(c):
    category = unicodedata.category(chr(c))
    return (category[0] in "LM" or category in ("Nd", "Nl", "Pc") or c in (0x200C, 0x200D) or
            any(first <= c <= last for first, last in OTHER_ALPHABETIC))


edges = [c for c in range(0x110000) if is_word(c) != (c > 0 and is_word(c - 1))]
print("// Written by make_word_ranges.py, Unicode %s: first characters of runs that are and are not."
      % unicodedata.unidata_version)
line = ""
for edge in edges:
    word = "%#x," % edge
    if len(line) + 1 + len(word) > 100:
        print(line)
        line = ""
    line += (" " if line else "") + word
print(line)
