#!/usr/bin/env python3
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of state_fuzz as src/model/state_file.h describes the file, and not by its code:
tests/model/state_file_test.cc reads them and expects to write the same bytes."""
import os
import struct

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "seeds", "state")
MASK = (1 << 64) - 1
KEY = (0x67656D6D6133, 0x7374617465)
PAGE = 2176  # tests/support/small_state.h
PIECE = 256 << 10
NO_ROWS = MASK


def siphash128(data):
    """SipHash-2-4 with its output of 128 bits, as bytes."""
    v = [KEY[0] ^ 0x736F6D6570736575, KEY[1] ^ 0x646F72616E646F6D ^ 0xEE,
         KEY[0] ^ 0x6C7967656E657261, KEY[1] ^ 0x7465646279746573]

    def rotl(x, n):
        return (x << n | x >> (64 - n)) & MASK

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & MASK
            v[1] = rotl(v[1], 13) ^ v[0]
            v[0] = rotl(v[0], 32)
            v[2] = (v[2] + v[3]) & MASK
            v[3] = rotl(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & MASK
            v[3] = rotl(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & MASK
            v[1] = rotl(v[1], 17) ^ v[2]
            v[2] = rotl(v[2], 32)

    tail = data[len(data) // 8 * 8:]
    words = [w for (w,) in struct.iter_unpack("<Q", data[:len(data) - len(tail)])]
    words.append(int.from_bytes(tail, "little") | (len(data) & 0xFF) << 56)
    for word in words:
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xEE
    rounds(4)
    low = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    rounds(4)
    return struct.pack("<QQ", low, v[0] ^ v[1] ^ v[2] ^ v[3])


def numbers(*values):
    return struct.pack("<%dQ" % len(values), *values)


def text(string):
    data = string.encode()
    return numbers(len(data)) + data


def state(notes, identity, ids, images=(), floats=(), cache=None):
    """images: (begin, count, which of floats, hash). cache: (positions, first local tile)."""
    index = numbers(len(identity)) + b"".join(text(n) + text(v) for n, v in identity)
    parts = [struct.pack("<%df" % len(f), *f) for f in floats]
    if cache is None:
        index += numbers(0, 0, 0, 0, 0)
    else:
        positions, first = cache
        index += numbers(1, positions, first, PAGE, PAGE)
        for tile in range((positions + 63) // 64):
            for kind in ("local", "global"):
                if kind == "global" or tile >= first:
                    parts.append(bytes([len(parts) + 1]) * PAGE)
    index += numbers(len(ids)) + struct.pack("<%di" % len(ids), *ids)
    index += numbers(len(floats), *(len(f) for f in floats))
    index += numbers(len(images))
    for begin, count, rows, digest in images:
        index += numbers(begin, count, rows) + digest
    sums = [siphash128(part[at:at + PIECE]) for part in parts for at in range(0, len(part), PIECE)]
    index += numbers(len(sums)) + b"".join(sums)
    notes = notes.encode()
    head = b"gemma3st" + numbers(1, len(notes), len(index)) + siphash128(notes) + siphash128(index)
    return head + siphash128(head) + notes + index + b"".join(parts)


def main():
    identity = [("model", "tiny"), ("cache", "f16 f16")]
    ids = [2] + [(7 * i) % 300 for i in range(1, 150)]
    rows = [i / 4 for i in range(16)]
    other = [-i / 8 for i in range(16)]
    images = [(10, 4, 0, bytes(range(16))), (14, 4, 0, bytes(range(16))),
              (20, 4, NO_ROWS, bytes(range(16, 32))), (142, 4, 1, bytes(range(32, 48)))]
    seeds = {
        "empty": state("", [], []),
        "notes": state('{"messages": []}', identity, [2, 299]),
        "short": state("{}", identity, [2, 105, 106], cache=(2, 0)),
        "pictures": state('{"messages": [1]}', identity, ids, images, [rows, other], (140, 1)),
    }
    os.makedirs(FOLDER, exist_ok=True)
    for name, data in seeds.items():
        with open(os.path.join(FOLDER, name), "wb") as file:
            file.write(data)


main()
