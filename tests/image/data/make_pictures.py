#!/usr/bin/env python3
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
"""Writes the small pictures of the decoder tests and what they decode to.

usage: make_pictures.py [OUT_DIR]        (needs numpy and Pillow with WebP; only to make them anew)

Per picture NAME.EXT, expected.safetensors has a tensor NAME.EXT, U8 [height, width, 3]. Lossless
formats are written here sample by sample, so that every variant of the format occurs; what they
decode to follows from the samples and is compared with Pillow's convert("RGB") where Pillow reads
the variant alike. For JPEG and lossy WebP the expected pixels are Pillow's. grounds.safetensors has
what pictures with alpha look like on white and on black, "white/NAME.EXT" and "black/NAME.EXT".
"""
import io, json, os, struct, sys, zlib
import numpy as np
from PIL import Image, ImageOps

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
W, H = 23, 17
EXPECTED = {}
rng = np.random.default_rng(4)


def smooth(w=W, h=H):
    """A picture without symmetry: gradients and a bright corner. [h, w, 3] in 0..1."""
    y, x = np.mgrid[0:h, 0:w]
    rgb = np.stack([x / max(w - 1, 1), y / max(h - 1, 1), ((x + 2 * y) % 12) / 11], axis=-1) * 0.9
    rgb[: h // 3, : w // 4] = [1, 0.95, 0.1]
    return rgb


def store(name, data, rgb, pillow="equal"):
    """Writes a file and what it decodes to. pillow: "equal", or why Pillow is not asked."""
    rgb = np.ascontiguousarray(rgb, dtype=np.uint8)
    if pillow == "equal":
        got = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        assert got.shape == rgb.shape and (got == rgb).all(), f"{name}: Pillow decodes it differently"
    assert len(data) < 4096, (name, len(data))
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(data)
    EXPECTED[name] = rgb


def store_pillow(name, image, **options):
    """Has Pillow write a file and say what it decodes to, upright."""
    f = io.BytesIO()
    image.save(f, **options)
    back = ImageOps.exif_transpose(Image.open(io.BytesIO(f.getvalue())))
    store(name, f.getvalue(), np.asarray(back.convert("RGB")), "written and read by it")


# --- PNG -------------------------------------------------------------------------------------------

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_rows(samples, depth):
    """[h, w, channels] integers to filtered rows; the filter changes from row to row."""
    h, w, c = samples.shape
    if h == 0 or w == 0:
        return b""
    if depth == 16:
        rows = samples.astype(">u2").reshape(h, -1).view(np.uint8)
    elif depth == 8:
        rows = samples.astype(np.uint8).reshape(h, -1)
    else:
        bits = (samples.reshape(h, -1, 1) >> np.arange(depth - 1, -1, -1)) & 1
        rows = np.packbits(bits.reshape(h, -1).astype(np.uint8), axis=1)
    step = max(1, c * depth // 8)
    out, above = b"", np.zeros(rows.shape[1], int)
    for y, row in enumerate(rows.astype(int)):
        left = np.concatenate([np.zeros(step, int), row])[: len(row)]
        corner = np.concatenate([np.zeros(step, int), above])[: len(row)]
        p = left + above - corner
        pa, pb, pc = abs(p - left), abs(p - above), abs(p - corner)
        paeth = np.where((pa <= pb) & (pa <= pc), left, np.where(pb <= pc, above, corner))
        predicted = [0 * row, left, above, (left + above) // 2, paeth][y % 5]
        out += bytes([y % 5]) + ((row - predicted) % 256).astype(np.uint8).tobytes()
        above = row
    return out


def png(samples, depth, color, interlace=False, before=b"", after=b"", idat_bytes=1000):
    h, w = samples.shape[:2]
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    if not interlace:
        passes = [(0, 0, 1, 1)]
    raw = b"".join(pack_rows(samples[y0::dy, x0::dx], depth) for x0, y0, dx, dy in passes)
    data = zlib.compress(raw, 9)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, color, 0, 0, int(interlace)))
            + before + b"".join(chunk(b"IDAT", data[i:i + idat_bytes]) for i in range(0, len(data), idat_bytes))
            + after + chunk(b"IEND", b""))


def make_png():
    rgb = smooth()
    gray = rgb.mean(axis=2, keepdims=True)
    alpha = 1 - gray
    for interlace in (False, True):
        tag = "_interlaced" if interlace else ""
        for depth in (1, 2, 4, 8, 16):
            top = 2**depth - 1
            s = np.round(gray * top).astype(int)
            s8 = s >> 8 if depth == 16 else s * 255 // top
            store(f"gray{depth}{tag}.png", png(s, depth, 0, interlace), s8.repeat(3, 2),
                  "equal" if depth != 16 else "clips 16-bit grey instead of keeping the high byte")
        for depth in (1, 2, 4, 8):
            n = 2**min(depth, 5)
            palette = rng.integers(0, 256, (n, 3))
            s = np.round(gray * (n - 1)).astype(int)
            plte = chunk(b"PLTE", palette.astype(np.uint8).tobytes())
            store(f"palette{depth}{tag}.png", png(s, depth, 3, interlace, plte), palette[s[..., 0]])
        for depth in (8, 16):
            top = 2**depth - 1
            to8 = (lambda s: s >> 8) if depth == 16 else (lambda s: s)
            c, g, a = (np.round(v * top).astype(int) for v in (rgb, gray, alpha))
            store(f"rgb{depth}{tag}.png", png(c, depth, 2, interlace), to8(c))
            store(f"graya{depth}{tag}.png", png(np.concatenate([g, a], 2), depth, 4, interlace), to8(g).repeat(3, 2))
            store(f"rgba{depth}{tag}.png", png(np.concatenate([c, a], 2), depth, 6, interlace), to8(c))

    c = np.round(rgb * 255).astype(int)
    store("rgb8_trns.png", png(c, 8, 2, before=chunk(b"tRNS", struct.pack(">3H", *c[0, 0]))), c)
    g = np.round(gray * 255).astype(int)
    store("gray8_trns.png", png(g, 8, 0, before=chunk(b"tRNS", struct.pack(">H", g[0, 0, 0]))), g.repeat(3, 2))
    palette = rng.integers(0, 256, (16, 3))
    s = np.round(gray * 15).astype(int)
    plte = chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    store("palette4_trns.png", png(s, 4, 3, before=plte + chunk(b"tRNS", bytes(range(0, 160, 10)))), palette[s[..., 0]])
    store("rgb8_many_idat.png", png(c, 8, 2, idat_bytes=7,
          before=chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"tEXt", b"Comment\0hi")), c)
    # Indices past the end of the palette are black.
    short = palette.copy()
    short[5:] = 0
    store("palette4_short.png", png(s, 4, 3, before=chunk(b"PLTE", palette[:5].astype(np.uint8).tobytes())),
          short[s[..., 0]], "depends on its version")
    for w, h in ((1, 1), (1, 40), (40, 1)):
        t = np.round(smooth(w, h) * 255).astype(int)
        store(f"rgb8_{w}x{h}.png", png(t, 8, 2), t)


# --- orientation ------------------------------------------------------------------------------------

def tiff(orientation, order):
    e = "<" if order == b"II" else ">"
    entries = [(0x0100, 4, 1, struct.pack(e + "I", 7)), (0x0112, 3, 1, struct.pack(e + "HH", orientation, 0))]
    body = b"".join(struct.pack(e + "HHI", t, k, n) + v for t, k, n, v in entries)
    return order + struct.pack(e + "HI", 42, 8) + struct.pack(e + "H", len(entries)) + body + struct.pack(e + "I", 0)


def make_orientation():
    c = np.round(smooth(5, 3) * 255).astype(int)
    upright = {1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
               4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270,
               7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90}
    for o, method in upright.items():
        turned = Image.fromarray(c.astype(np.uint8))
        turned = np.asarray(turned.transpose(method) if method is not None else turned)
        store(f"orientation{o}.png", png(c, 8, 2, before=chunk(b"eXIf", tiff(o, b"II" if o % 2 else b"MM"))), turned,
              "does not turn in convert")
        photo = Image.fromarray(np.round(smooth(16, 8) * 255).astype(np.uint8))
        store_pillow(f"orientation{o}.jpg", photo, format="JPEG", quality=95, subsampling=0,
                     exif=b"Exif\0\0" + tiff(o, b"MM" if o % 2 else b"II"))
    store_pillow("orientation6.webp", Image.fromarray(c.astype(np.uint8)), format="WEBP", lossless=True,
                 exif=b"Exif\0\0" + tiff(6, b"II"))


# --- JPEG and WebP ----------------------------------------------------------------------------------

def make_jpeg():
    photo = Image.fromarray(np.round(smooth(37, 29) * 255).astype(np.uint8))
    for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
        for progressive in (False, True):
            store_pillow(f"rgb_{name}{'_progressive' if progressive else ''}.jpg", photo, format="JPEG", quality=90,
                         subsampling=sampling, progressive=progressive)
    store_pillow("gray.jpg", photo.convert("L"), format="JPEG", quality=90)
    store_pillow("gray_progressive.jpg", photo.convert("L"), format="JPEG", quality=90, progressive=True)
    store_pillow("cmyk.jpg", photo.convert("CMYK"), format="JPEG", quality=90)
    store_pillow("tiny.jpg", photo.resize((1, 1)), format="JPEG", quality=90)
    store_restarts("restarts.jpg")


def store_restarts(name):
    """A grey JPEG of flat 8 x 8 blocks with a restart marker after every second one."""
    levels = rng.integers(-100, 100, (3, 5))
    segment = lambda marker, data: struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data
    entropy, previous, bits = b"", 0, ""

    def flush():
        nonlocal bits
        bits += "1" * (-len(bits) % 8)
        data = bytes(int(bits[k:k + 8], 2) for k in range(0, len(bits), 8))
        bits = ""
        return data.replace(b"\xff", b"\xff\0")

    for n, level in enumerate(levels.ravel().tolist()):
        if n and n % 2 == 0:
            entropy += flush() + bytes([0xFF, 0xD0 + (n // 2 - 1) % 8])
            previous = 0
        diff, previous = level - previous, level
        size = abs(diff).bit_length()
        bits += format(size, "04b")  # the DC code of `size`, below
        if size:
            bits += format(diff if diff > 0 else diff + (1 << size) - 1, f"0{size}b")
        bits += "0"  # no AC coefficients
    dc = bytes([0x00] + [0, 0, 0, 12] + [0] * 12) + bytes(range(12))  # size k has the 4-bit code k
    ac = bytes([0x10] + [1] + [0] * 15) + bytes([0])                   # end of block has the code 0
    data = (b"\xff\xd8" + segment(0xDB, b"\0" + b"\x08" * 64)          # DC 8 is one level
            + segment(0xC0, struct.pack(">BHHB3B", 8, 24, 40, 1, 1, 0x11, 0)) + segment(0xC4, dc) + segment(0xC4, ac)
            + segment(0xDD, struct.pack(">H", 2)) + segment(0xDA, bytes([1, 1, 0, 0, 63, 0])) + entropy + flush() + b"\xff\xd9")
    gray = (levels + 128).repeat(8, 0).repeat(8, 1)
    store(name, data, np.stack([gray] * 3, -1))


def make_webp():
    c = Image.fromarray(np.round(smooth() * 255).astype(np.uint8))
    store_pillow("lossless.webp", c, format="WEBP", lossless=True)
    store_pillow("lossy.webp", c, format="WEBP", quality=90)
    rgba = c.copy()
    rgba.putalpha(c.convert("L"))
    store_pillow("alpha_lossless.webp", rgba, format="WEBP", lossless=True, exact=True)
    store_pillow("alpha_lossy.webp", rgba, format="WEBP", quality=90, exact=True)


# --- GIF --------------------------------------------------------------------------------------------

def lzw(indices, min_bits, table_limit=4096):
    """Compresses as GIF does; once the table has table_limit codes, starts anew."""
    clear, end = 1 << min_bits, (1 << min_bits) + 1
    out, held, num = bytearray(), 0, 0

    def put(code, bits):
        nonlocal held, num
        held |= code << num
        num += bits
        while num >= 8:
            out.append(held & 255)
            held >>= 8
            num -= 8

    table = {(i,): i for i in range(clear)}
    bits = min_bits + 1
    put(clear, bits)
    string = ()
    for i in indices:
        if string + (i,) in table:
            string += (i,)
            continue
        put(table[string], bits)
        n = len(table) + 2
        if n < table_limit:
            table[string + (i,)] = n
            if n == 1 << bits and bits < 12:
                bits += 1
        elif table_limit < 4096:
            put(clear, bits)
            table = {(j,): j for j in range(clear)}
            bits = min_bits + 1
        string = (i,)
    put(table[string], bits)
    put(end, bits)
    put(0, 7)
    blocks = b"".join(bytes([len(out[k:k + 255])]) + out[k:k + 255] for k in range(0, len(out), 255))
    return bytes([min_bits]) + blocks + b"\0"


def gif(indices, bits, palette=None, local=None, screen=None, at=(0, 0), interlaced=False, transparent=None,
        table_limit=4096, more=b""):
    h, w = indices.shape
    sw, sh = screen or (w, h)
    flags = lambda p: 0 if p is None else 0x80 | (bits - 1)
    table = lambda p: b"" if p is None else p.astype(np.uint8).tobytes()
    rows = list(range(h))
    if interlaced:
        rows = [y for first, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for y in range(first, h, step)]
    control = b"" if transparent is None else b"\x21\xf9\x04\x01\0\0" + bytes([transparent]) + b"\0"
    frame = struct.pack("<4HB", *at, w, h, flags(local) | (0x40 if interlaced else 0)) + table(local)
    return (b"GIF89a" + struct.pack("<2H3B", sw, sh, flags(palette), 1, 0) + table(palette)
            + b"\x21\xfe\x02hi\0" + control + b"\x2c" + frame
            + lzw(indices[rows].ravel().tolist(), max(bits, 2), table_limit) + more + b"\x3b")


def make_gif():
    gray = smooth().mean(axis=2)
    for bits in (1, 2, 4, 8):
        p = rng.integers(0, 256, (2**bits, 3))
        s = np.round(gray * (2**bits - 1)).astype(int)
        store(f"palette{bits}.gif", gif(s, bits, p), p[s])
    store("interlaced.gif", gif(s, 8, p, interlaced=True), p[s])
    store("local.gif", gif(s, 8, rng.integers(0, 256, (256, 3)), local=p), p[s])
    store("transparent.gif", gif(s, 8, p, transparent=int(s[3, 3])), p[s])
    store("resets.gif", gif(s, 8, p, table_limit=300), p[s])
    noise = rng.integers(0, 4, (60, 80))
    store("full_table.gif", gif(np.tile(noise, (2, 1)), 2, p[:4]), p[np.tile(noise, (2, 1))])
    for name, transparent in (("offset", None), ("offset_transparent", 7)):
        canvas = np.full((H + 6, W + 9), 0 if transparent is None else transparent)
        canvas[4:4 + H, 5:5 + W] = s
        store(f"{name}.gif", gif(s, 8, p, screen=(W + 9, H + 6), at=(5, 4), transparent=transparent), p[canvas])
    second = b"\x2c" + struct.pack("<4HB", 0, 0, W, H, 0) + lzw((255 - s).ravel().tolist(), 8)
    store("animated.gif", gif(s, 8, p, more=second), p[s])


# --- BMP --------------------------------------------------------------------------------------------

def bmp(rows, bits, size, palette=b"", compression=0, header=40, masks=b"", top_down=False, colors=0):
    w, h = size
    if header == 12:
        info = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, w, -h if top_down else h, 1, bits, compression, 0, 0, 0, colors, 0)
        info = (info + masks)[:max(header, 40 + len(masks))].ljust(header, b"\0")
    rows = [r + b"\0" * (-len(r) % 4) for r in (rows if top_down else rows[::-1])]
    offset = 14 + len(info) + len(palette)
    data = b"".join(rows)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + info + palette + data


def make_bmp():
    c = np.round(smooth() * 255).astype(int)
    gray = smooth().mean(axis=2)
    bgr = [r.astype(np.uint8).tobytes() for r in c[..., ::-1]]
    store("rgb24.bmp", bmp(bgr, 24, (W, H)), c)
    store("rgb24_top_down.bmp", bmp(bgr, 24, (W, H), top_down=True), c)
    store("rgb24_core.bmp", bmp(bgr, 24, (W, H), header=12), c)
    store("rgb24_v5.bmp", bmp(bgr, 24, (W, H), header=124), c)
    bgra = [r.astype(np.uint8).tobytes() for r in np.concatenate([c[..., ::-1], c[..., :1]], 2)]
    store("rgb32.bmp", bmp(bgra, 32, (W, H)), c)
    argb = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    store("rgba32_v4.bmp", bmp(bgra, 32, (W, H), compression=3, header=108, masks=argb), c)
    store("rgb32_masks.bmp", bmp([r.tobytes() for r in (c[..., 0] << 8 | c[..., 1] << 16 | c[..., 2] << 24).astype("<u4")],
          32, (W, H), compression=3, masks=struct.pack("<3I", 0xFF00, 0xFF0000, 0xFF000000)), c,
          "does not know these masks")
    for name, depths, options in (("rgb555", (5, 5, 5), {}),
                                  ("rgb565", (5, 6, 5), dict(compression=3, masks=struct.pack("<3I", 0xF800, 0x7E0, 0x1F)))):
        v = [np.round(smooth()[..., i] * (2**d - 1)).astype(int) for i, d in enumerate(depths)]
        packed = (v[0] << (depths[1] + depths[2]) | v[1] << depths[2] | v[2]).astype("<u2")
        # The top bits again below: within 1 of v * 255 / max, which Pillow computes.
        wide = np.stack([x << (8 - d) | x >> (2 * d - 8) for x, d in zip(v, depths)], -1)
        store(f"{name}.bmp", bmp([r.tobytes() for r in packed], 16, (W, H), **options), wide, "rounds differently")
    for bits in (1, 4, 8):
        n = 2**min(bits, 5)
        p = rng.integers(0, 256, (n, 3))
        s = np.round(gray * (n - 1)).astype(int)
        b = (s[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        rows = [r.tobytes() for r in np.packbits(b.reshape(H, -1).astype(np.uint8), axis=1)]
        quads = np.concatenate([p[:, ::-1], 0 * p[:, :1]], 1).astype(np.uint8).tobytes()
        full = quads.ljust(4 * 2**bits, b"\0")
        store(f"palette{bits}.bmp", bmp(rows, bits, (W, H), full), p[s])
        store(f"palette{bits}_core.bmp", bmp(rows, bits, (W, H), p[:, ::-1].astype(np.uint8).tobytes().ljust(3 * 2**bits, b"\0"), header=12), p[s])
        store(f"palette{bits}_short.bmp", bmp(rows, bits, (W, H), quads, colors=n), p[s])


# --- PNM --------------------------------------------------------------------------------------------

def make_pnm():
    c = np.round(smooth() * 255).astype(int)
    bits = (smooth().mean(axis=2) > 0.5).astype(int)
    text = lambda a: "\n".join(" ".join(str(v) for v in row) for row in a.reshape(a.shape[0], -1)).encode()
    level = lambda s, top: np.round(s / top * 255).astype(int)
    head = lambda kind, top="": f"P{kind}\n# made for a test\n{15 if top else W} {H}\n{top}".encode() + (b"\n" if top else b"")
    black = (1 - bits) * 255
    store("p1.pbm", head(1) + text(bits), np.stack([black] * 3, -1))
    store("p1_dense.pbm", head(1) + text(bits).replace(b" ", b""), np.stack([black] * 3, -1))
    store("p4.pbm", head(4) + b"".join(r.tobytes() for r in np.packbits(bits.astype(np.uint8), axis=1)), np.stack([black] * 3, -1))
    for top in (255, 100, 1000):
        s = np.round(smooth() * top).astype(int)[:, :15]
        g = s[..., 0]
        raw = lambda a: a.astype(np.uint8 if top < 256 else ">u2").tobytes()
        deep_gray = "equal" if top < 256 else "clips 16-bit grey"
        store(f"p2_{top}.pgm", head(2, top) + text(g), np.stack([level(g, top)] * 3, -1), deep_gray)
        store(f"p3_{top}.ppm", head(3, top) + text(s), level(s, top))
        store(f"p5_{top}.pgm", head(5, top) + raw(g), np.stack([level(g, top)] * 3, -1), deep_gray)
        store(f"p6_{top}.ppm", head(6, top) + raw(s), level(s, top))


# --- what was added later: last, so that the random numbers of the above stay --------------------------

def make_orientation_elsewhere():
    """Orientation 6 in every place that Pillow looks at, and which of two places counts."""
    c = np.round(smooth(5, 3) * 255).astype(int)
    photo = Image.fromarray(np.round(smooth(16, 8) * 255).astype(np.uint8))

    def xmp(text):
        return (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
                b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/"' + text + b'</rdf:RDF></x:xmpmeta>')

    attribute = lambda o: xmp(b' tiff:Orientation="%d"/>' % o)
    element = lambda o: xmp(b"><tiff:Orientation>%d</tiff:Orientation></rdf:Description>" % o)
    profile = lambda data: b"\nexif\n%8d\n" % len(data) + b"\n".join(
        data.hex().encode()[i:i + 72] for i in range(0, 2 * len(data), 72)) + b"\n"
    text = lambda key, value: chunk(b"tEXt", key + b"\0" + value)
    ztxt = lambda key, value: chunk(b"zTXt", key + b"\0\0" + zlib.compress(value))
    itxt = lambda key, value: chunk(b"iTXt", key + b"\0\0\0\0\0" + value)
    itxt_compressed = lambda key, value: chunk(b"iTXt", key + b"\0\1\0en\0key\0" + zlib.compress(value))
    exif = b"Exif\0\0" + tiff(6, b"MM")
    none = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"  # no entries
    key = b"XML:com.adobe.xmp"
    profile_key, app1_key = b"Raw profile type exif", b"Raw profile type APP1"

    def add(name, before=b"", after=b"", orientation=6, pillow=True):
        data = png(c, 8, 2, before=before, after=after)
        turned = Image.fromarray(c.astype(np.uint8))
        if orientation == 6:
            turned = turned.transpose(Image.Transpose.ROTATE_270)
        if pillow:
            back = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
            assert (np.asarray(back.convert("RGB")) == np.asarray(turned)).all(), name
        store(name, data, np.asarray(turned), "does not turn in convert")

    add("xmp_attribute.png", itxt(key, attribute(6)))
    add("xmp_element.png", itxt(key, element(6)))
    add("xmp_compressed.png", itxt_compressed(key, element(6)))
    add("xmp_text.png", text(key, attribute(6)))
    add("xmp_after_data.png", after=itxt(key, attribute(6)), pillow=False)  # reads it after the pixels
    add("profile_exif.png", ztxt(profile_key, profile(exif)))
    add("profile_exif_text.png", text(profile_key, profile(exif)))
    add("profile_app1.png", ztxt(app1_key, profile(exif)), pillow=False)
    add("profile_app1_xmp.png", ztxt(app1_key, profile(b"http://ns.adobe.com/xap/1.0/\0" + attribute(6))), pillow=False)
    add("exif_before_profile.png", chunk(b"eXIf", tiff(1, b"II")) + ztxt(profile_key, profile(exif)), orientation=1)
    add("profile_before_xmp.png", itxt(key, attribute(3)) + text(profile_key, profile(exif)))
    add("exif_before_xmp.png", itxt(key, attribute(6)) + chunk(b"eXIf", tiff(1, b"II")), orientation=1)
    add("xmp_behind_empty_exif.png", itxt(key, attribute(6)) + chunk(b"eXIf", none[6:]))
    jpeg = dict(format="JPEG", quality=95, subsampling=0)
    store_pillow("xmp_attribute.jpg", photo, xmp=attribute(6), **jpeg)
    store_pillow("xmp_element.jpg", photo, xmp=element(6), **jpeg)
    store_pillow("exif_before_xmp.jpg", photo, exif=exif, xmp=attribute(3), **jpeg)
    store_pillow("xmp_behind_empty_exif.jpg", photo, exif=none, xmp=attribute(6), **jpeg)
    store_pillow("xmp.webp", Image.fromarray(c.astype(np.uint8)), format="WEBP", lossless=True, xmp=attribute(6))
    for kind, letter in ((4, "I"), (9, "i")):
        for order in (b"II", b"MM"):
            e = "<" if order == b"II" else ">"
            block = order + struct.pack(e + "HIHHHI" + letter + "I", 42, 8, 1, 0x0112, kind, 1, 6, 0)
            add(f"orientation_type{kind}_{order.decode()}.png", chunk(b"eXIf", block))


def riff_chunks(data):
    """The chunks of a WebP file, each with its header and padding."""
    found, at = [], 12
    while at < len(data):
        size = struct.unpack("<I", data[at + 4:at + 8])[0]
        found.append(data[at:at + 8 + size + size % 2])
        at += 8 + size + size % 2
    return found


def make_animated_webp():
    def riff(kind, data):
        return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    def frame(image, at, **options):
        f = io.BytesIO()
        image.save(f, format="WEBP", exact=True, **options)
        w, h = image.size
        le24 = lambda v: struct.pack("<I", v)[:3]
        head = b"".join(le24(v) for v in (at[0] // 2, at[1] // 2, w - 1, h - 1, 100)) + b"\0"
        return riff(b"ANMF", head + b"".join(c for c in riff_chunks(f.getvalue()) if c[:4] in (b"ALPH", b"VP8 ", b"VP8L")))

    def animation(frames):
        size = struct.pack("<I", W - 1)[:3] + struct.pack("<I", H - 1)[:3]
        body = (b"WEBP" + riff(b"VP8X", b"\x12\0\0\0" + size) + riff(b"ANIM", b"\xff\x80\x40\xff\0\0") + b"".join(frames))
        return b"RIFF" + struct.pack("<I", len(body)) + body

    whole = Image.fromarray(np.round(smooth() * 255).astype(np.uint8))
    second = frame(Image.new("RGB", (W, H), (9, 8, 7)), (0, 0), lossless=True)
    part = whole.resize((11, 7))
    alpha = whole.copy()
    alpha.putalpha(whole.convert("L"))
    for name, first in (("animated_lossless", frame(whole, (0, 0), lossless=True)),
                        ("animated_offset_lossless", frame(part, (6, 4), lossless=True)),
                        ("lossy_animated", frame(whole, (0, 0), quality=90)),
                        ("animated_alpha_lossless", frame(alpha, (0, 0), lossless=True)),
                        ("lossy_animated_alpha", frame(alpha, (0, 0), quality=90))):
        data = animation([first, second])
        store(f"{name}.webp", data, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), "read by it")


def make_rle_bmp():
    """Run-length-coded bitmaps: runs, literals, ends of rows, moves over pixels that are not there."""
    gray = smooth().mean(axis=2)
    for bits in (4, 8):
        n = 2**bits
        p = rng.integers(0, 256, (n, 3))
        s = np.round(gray * (n - 1)).astype(int)
        s[5:8, 3:17] = 3
        quads = np.concatenate([p[:, ::-1], 0 * p[:, :1]], 1).astype(np.uint8).tobytes()

        def literal(indices):
            packed = bytes(indices) if bits == 8 else bytes(
                indices[i] << 4 | (indices[i + 1] if i + 1 < len(indices) else 0) for i in range(0, len(indices), 2))
            return bytes([0, len(indices)]) + packed + b"\0" * (len(packed) % 2)

        def run(index, count):
            return bytes([count, index if bits == 8 else index << 4 | index])

        def rows(odd):
            for row in s[::-1].tolist():
                out, x = b"", 0
                while x < W:
                    same = 1
                    while x + same < W and row[x + same] == row[x]:
                        same += 1
                    step = min(W - x, 7) if odd else min(W - x, 6) // 2 * 2
                    if same >= 3 or step < 3:
                        out += run(row[x], same)
                        x += same
                    else:
                        out += literal(row[x:x + step])
                        x += step
                yield out

        size = (W, H)
        whole = bmp([b"".join(r + b"\0\0" for r in rows(False)) + b"\0\1"], bits, size, quads, compression=1 if bits == 8 else 2)
        store(f"rle{bits}.bmp", whole, p[s])
        odd = bmp([b"".join(r + b"\0\0" for r in rows(True)) + b"\0\1"], bits, size, quads, compression=1 if bits == 8 else 2)
        store(f"rle{bits}_odd.bmp", odd, p[s], "equal" if bits == 8 else "takes half a byte too few of an odd number")
        # Four pixels, then 2 rows up and 5 pixels to the right, five, and the end long before the end.
        moves = bmp([run(1, 4) + bytes([0, 2, 5, 2]) + run(2, 5) + b"\0\1"], bits, size, quads, compression=1 if bits == 8 else 2)
        t = np.zeros((H, W), int)
        t[H - 1, :4] = 1
        t[H - 3, 9:14] = 2
        store(f"rle{bits}_moves.bmp", moves, p[t], "refuses a picture that ends early")
    # Two colours in turn within one run.
    turn = bmp([b"".join(bytes([W, 0x5A, 0, 0]) for _ in range(H)) + b"\0\1"], 4, (W, H), (q := rng.integers(0, 256, (16, 4))).astype(np.uint8).tobytes(), compression=2)
    store("rle4_turns.bmp", turn, np.tile(q[[5, 10] * 12][:W, 2::-1], (H, 1, 1)))


def make_four_components():
    photo = Image.fromarray(np.round(smooth(37, 29) * 255).astype(np.uint8))
    f = io.BytesIO()
    photo.convert("CMYK").save(f, format="JPEG", quality=90)
    data = f.getvalue()
    at = data.index(b"\xff\xee\0\x0eAdobe")
    for name, changed in (("cmyk_no_adobe", data[:at] + data[at + 16:]),
                          ("cmyk_transform1", data[:at + 15] + b"\1" + data[at + 16:]),
                          ("cmyk_transform2", data[:at + 15] + b"\2" + data[at + 16:])):
        store(f"{name}.jpg", changed, np.asarray(Image.open(io.BytesIO(changed)).convert("RGB")), "read by it")


def make_alpha():
    """Pictures with transparency laid on white and on black by Pillow."""
    grounds = {}
    for name in ("rgb8", "rgba8", "rgba8_interlaced", "graya8", "rgb8_trns", "gray8_trns", "palette4_trns", "transparent",
                 "offset_transparent", "alpha_lossless", "animated_alpha_lossless", "animated_offset_lossless", "rgba32_v4",
                 "rgb24", "palette8"):
        name += next(e for e in (".png", ".gif", ".webp", ".bmp") if f"{name}{e}" in EXPECTED)
        image = Image.open(os.path.join(OUT, name)).convert("RGBA")
        for ground, level in (("white", 255), ("black", 0)):
            under = Image.new("RGBA", image.size, (level, level, level, 255))
            under.alpha_composite(image)
            grounds[f"{ground}/{name}"] = np.asarray(under)[..., :3].copy()
    return grounds


make_png()
make_orientation()
make_jpeg()
make_webp()
make_gif()
make_bmp()
make_pnm()
make_orientation_elsewhere()
make_animated_webp()
make_rle_bmp()
make_four_components()


def save(name, tensors):
    """The safetensors format by hand: few need its package."""
    header, body = {}, b""
    for key in sorted(tensors):
        a = tensors[key]
        header[key] = {"dtype": "U8", "shape": list(a.shape), "data_offsets": [len(body), len(body) + a.size]}
        body += a.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


save("expected.safetensors", EXPECTED)
save("grounds.safetensors", make_alpha())

# A photograph, decoded and shrunk by Pillow.
photo = Image.open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../data/reference/images/photo.jpg"))
save("photo.safetensors", {"photo.jpg": np.asarray(photo.convert("RGB").resize((64, 64), Image.BILINEAR))})

# One pixel, behind which 3 MB are packed.
bomb = zlib.compress(b"\0\0" + bytes(3_000_000), 9)
with open(os.path.join(OUT, "bomb.png"), "wb") as f:
    f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) + chunk(b"IDAT", bomb)
            + chunk(b"IEND", b""))
print(len(EXPECTED), "pictures")
