#!/usr/bin/env python3
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
"""Writes unicode_categories.inc: the general category of every character, from Python's unicodedata.

    python3 src/automata/make_unicode_categories.py > src/automata/unicode_categories.inc
"""
import unicodedata

print("// Written by make_unicode_categories.py from Unicode %s. {first, last, category}" % unicodedata.unidata_version)
first, current = 0, None
runs = []
for c in range(0x110000):
    category = unicodedata.category(chr(c))
    if category != current:
        if current not in (None, "Cs"):
            runs.append((first, c - 1, current))
        first, current = c, category
runs.append((first, 0x10FFFF, current))
line = ""
for first, last, category in runs:
    item = '{0x%X, 0x%X, "%s"},' % (first, last, category)
    if len(line) + len(item) > 99:
        print(line)
        line = ""
    line += (" " if line else "") + item
print(line)
