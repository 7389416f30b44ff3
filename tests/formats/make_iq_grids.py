#!/usr/bin/env python3
"""Writes src/formats/iq_grids.cc: the codebooks of GGUF's IQ types.

They have no rule that would make them; so each entry is measured with ggml's own library
(libggml-base, package libggml0 of Debian): a block whose scale is 1, whose signs are plus and whose
indices are all i dequantizes to entry i. Usage: make_iq_grids.py LIBRARY > src/formats/iq_grids.cc
"""
import ctypes
import struct
import sys

library = ctypes.CDLL(sys.argv[1])


def dequantize(name, block):
    out = (ctypes.c_float * 256)()
    getattr(library, "dequantize_row_" + name)(block, out, ctypes.c_int64(256))
    return list(out)


def half(value):
    return struct.pack("<e", value)


def u16(value):
    return struct.pack("<H", value)


def iq2_xxs(i):
    return dequantize("iq2_xxs", half(8) + (bytes([i] * 4) + bytes(4)) * 8)[:8]


def iq2_xs(i):
    return dequantize("iq2_xs", half(8) + u16(i) * 32 + bytes(8))[:8]


def iq2_s(i):
    return dequantize("iq2_s", half(8) + bytes([i % 256] * 32 + [0] * 32 + [i // 256 * 0x55] * 8 + [0] * 8))[:8]


def iq1(i):
    block = half(1) + bytes([i % 256] * 32) + u16(i // 256 * 0o1111) * 8
    return [value - 0.125 for value in dequantize("iq1_s", block)[:8]]


def iq3_xxs(i):
    return dequantize("iq3_xxs", half(4) + bytes([i] * 64 + [0] * 32))[:4]


def iq3_s(i):
    return dequantize("iq3_s", half(1) + bytes([i % 256] * 64 + [i // 256 * 255] * 8 + [0] * 36))[:4]


TABLES = [
    ("kIq2XxsGrid", iq2_xxs, 256, [8, 25, 43]),
    ("kIq2XsGrid", iq2_xs, 512, [8, 25, 43]),
    ("kIq2SGrid", iq2_s, 1024, [8, 25, 43]),
    ("kIq1Grid", iq1, 2048, [-1, 0, 1]),
    ("kIq3XxsGrid", iq3_xxs, 256, [4, 12, 20, 28, 36, 44, 52, 62]),
    ("kIq3SGrid", iq3_s, 512, [1, 3, 5, 7, 9, 11, 13, 15]),
]

print("""// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Written by tests/formats/make_iq_grids.py from what the library of ggml computes. The numbers are
// data of ggml-org/ggml: Copyright (c) The ggml authors, MIT licence (third_party/README.md).
#include "src/formats/iq_grids.h"

namespace gemma3 {
""")
for name, entry, count, values in TABLES:
    bits = 2 if len(values) == 3 else 3
    codes = [sum(values.index(v) << bits * k for k, v in enumerate(entry(i))) for i in range(count)]
    print(f"const std::array<uint16_t, {count}> {name} = {{")
    line = "   "
    for code in codes:
        word = f" {code},"
        if len(line) + len(word) > 100:
            print(line)
            line = "   "
        line += word
    print(line.rstrip(",") + "};\n")
print("}  // namespace gemma3")
