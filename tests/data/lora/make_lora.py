#!/usr/bin/env python3
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
"""Writes LoRA adapters for the tiny models of tests/data/reference, with reference outputs.

usage: make_lora.py REFERENCE_DIR OUT_DIR

Each folder of OUT_DIR is an adapter as PEFT saves one; reference.safetensors there holds input_ids
and the logits of the last rows, of the model in float32 with the adapter merged into it: W + s B A,
with DoRA m / |W + s B A| (W + s B A), as peft/tuners/lora/layer.py and dora.py define them. The
package itself is not needed; the formulas are checked below against a worked example.
OUT_DIR/two.safetensors is of two adapters at once.
Made with torch 2.14 and transformers 5.12.
"""
import copy
import json
import math
import os
import re
import sys

import torch
from safetensors.torch import save_file
from transformers import Gemma3ForCausalLM, Gemma3ForConditionalGeneration

reference, out = sys.argv[1:]
ROWS = 6


def merged(w, a, b, s, m=None):
    v = w + s * (b @ a)
    return v if m is None else (m / v.norm(dim=1)).unsqueeze(1) * v


# y of W = [[1,2,-1],[0.5,-1,3]], A = [[1,0,2],[-1,1,0.5]], B = [[0.5,-0.25],[1,2]], x = [1,-2,3].
W, A, B = (torch.tensor(t) for t in ([[1, 2, -1], [0.5, -1, 3]], [[1, 0, 2], [-1, 1, 0.5]],
                                     [[0.5, -0.25], [1, 2]]))
X = torch.tensor([1.0, -2, 3])
for s, m, y in ((4.0, None, [9.5, 27.5]), (8 / math.sqrt(2), None, [15.920310, 34.127417]),
                (4.0, torch.tensor([2.0, 5.0]), [3.940416, 8.126994])):
    assert torch.allclose(merged(W, A, B, s, m) @ X, torch.tensor(y), atol=1e-5)

g = torch.Generator().manual_seed(11)


def normal(*shape):
    return torch.randn(*shape, generator=g)


def load(name):
    kind = Gemma3ForConditionalGeneration if name.startswith("vision") else Gemma3ForCausalLM
    return kind.from_pretrained(os.path.join(reference, name), dtype=torch.float32).eval()


def scale_of(config, module, rank):
    alpha = config["lora_alpha"]
    for pattern, value in config.get("alpha_pattern", {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            alpha = value
            break
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def rank_of(config, module):
    for pattern, value in config.get("rank_pattern", {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return config["r"]


class Adapter:
    """Tensors under PEFT's names, and what they do to a model."""

    def __init__(self, config, rename=lambda module: module):
        self.config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none", "fan_in_fan_out": False,
                       "base_model_name_or_path": "tiny", **config}
        self.tensors, self.changes, self.rename = {}, [], rename

    def key(self, module, suffix):
        return "base_model.model." + self.rename(module) + "." + suffix

    def linear(self, module, shape, bias=False, named=""):
        name = self.rename(module)
        rank = rank_of(self.config, name)
        s = scale_of(self.config, name, rank)
        a, b = normal(rank, shape[1]) / math.sqrt(shape[1]), normal(shape[0], rank) * 0.3
        self.tensors[self.key(module, "lora_A" + named + ".weight")] = a
        self.tensors[self.key(module, "lora_B" + named + ".weight")] = b
        m = None
        if self.config.get("use_dora"):
            m = normal(shape[0]).abs() + 0.5
            self.tensors[self.key(module, "lora_magnitude_vector" + (named + ".weight" if named else ""))] = m
        c = None
        if bias:
            c = normal(shape[0]) * 0.2
            self.tensors[self.key(module, "lora_B.bias")] = c
        self.changes.append(("linear", module, a, b, s, m, c))

    def apply(self, model, weight=1.0):
        with torch.no_grad():
            for kind, module, *rest in self.changes:
                layer = model.get_submodule(module)
                if kind == "linear":
                    a, b, s, m, c = rest
                    layer.weight = torch.nn.Parameter(merged(layer.weight, a, b, s * weight, m))
                    if c is not None:
                        layer.bias = torch.nn.Parameter(s * weight * c)
                elif kind == "embedding":
                    a, b, s = rest
                    layer.weight = torch.nn.Parameter(layer.weight + s * weight * (b @ a).T)
                elif kind == "whole":
                    layer.weight = torch.nn.Parameter(rest[0].clone())
                elif kind == "rows":
                    ids, rows = rest
                    w = layer.weight.clone()
                    w[ids] = rows
                    layer.weight = torch.nn.Parameter(w)

    def save(self, name):
        folder = os.path.join(out, name)
        os.makedirs(folder, exist_ok=True)
        save_file({k: v.contiguous() for k, v in self.tensors.items()},
                  os.path.join(folder, "adapter_model.safetensors"), metadata={"format": "pt"})
        with open(os.path.join(folder, "adapter_config.json"), "w", encoding="utf-8") as file:
            json.dump(self.config, file, indent=1)


def untied(model):
    """Modules that share a weight get their own, so that each can change alone."""
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
    return model


PLAIN = untied(load("text-plain"))
IDS = torch.randint(4, 500, (1, 20), generator=g)
LAYERS = PLAIN.config.num_hidden_layers
ALL = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
       "mlp.up_proj", "mlp.down_proj"]


def shape_of(model, module):
    return tuple(model.get_submodule(module).weight.shape)


def record(path, model, **inputs):
    with torch.no_grad():
        logits = model(**inputs).logits[0, -ROWS:]
    save_file({"input_ids": inputs["input_ids"][0], "logits": logits.contiguous()}, path)


def finish(name, adapter):
    adapter.save(name)
    model = copy.deepcopy(PLAIN)
    adapter.apply(model)
    record(os.path.join(out, name, "reference.safetensors"), model, input_ids=IDS)


def each(adapter, parts, layers=range(LAYERS), **options):
    for i in layers:
        for part in parts:
            module = f"model.layers.{i}.{part}"
            adapter.linear(module, shape_of(PLAIN, module), **options)


plain = Adapter({"target_modules": "all-linear"})
each(plain, ALL)
finish("plain", plain)

# As a multimodal class of old versions names them; the first pattern that matches counts.
patterns = Adapter({"use_rslora": True, "rank_pattern": {"q_proj": 2},
                    "alpha_pattern": {r"layers\.[0-2]\.self_attn\.q_proj": 3, "q_proj": 5, "mlp.down_proj": 16}},
                   lambda module: "language_model." + module)
each(patterns, ["self_attn.q_proj", "mlp.down_proj", "mlp.up_proj"])
finish("patterns", patterns)

dora = Adapter({"use_dora": True}, lambda module: module.replace("model.layers", "model.language_model.layers"))
each(dora, ["self_attn.q_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.down_proj"])
each(dora, ["self_attn.o_proj"], layers=[2], named=".default")
finish("dora", dora)

# Tables of its own, beside an adapter of a part of the layers.
tables = Adapter({"modules_to_save": ["embed_tokens", "lm_head"], "layers_to_transform": [1, 3]})
each(tables, ["self_attn.k_proj"], layers=[1, 3])
for module in ("model.embed_tokens", "lm_head"):
    w = PLAIN.get_submodule(module).weight.detach()
    table = (w + 0.05 * normal(*w.shape)).to(torch.bfloat16)
    tables.tensors["base_model.model." + module + (".modules_to_save.weight" if module == "lm_head" else ".weight")] = table
    tables.changes.append(("whole", module, table.float()))
finish("tables", tables)

# Factors of the embedding alone and of the head alone; a bias of B.
embedding = Adapter({"lora_bias": True, "peft_version": "0.18.0"}, lambda module: module.removeprefix("model."))
shape = shape_of(PLAIN, "model.embed_tokens")
a, b = normal(4, shape[0]), normal(shape[1], 4) * 0.02
embedding.tensors["base_model.model.model.embed_tokens.lora_embedding_A"] = a
embedding.tensors["base_model.model.model.embed_tokens.lora_embedding_B"] = b
embedding.changes.append(("embedding", "model.embed_tokens", a, b, 2.0))
embedding.linear("lm_head", shape_of(PLAIN, "lm_head"))
each(embedding, ["self_attn.o_proj"], bias=True)
finish("embedding", embedding)

# Rows of single tokens, which a tied head shares.
TOKENS = sorted({int(IDS[0, 3]), int(IDS[0, 18]), 17, 200})
tokens = Adapter({"trainable_token_indices": {"embed_tokens": TOKENS}})
rows = PLAIN.model.embed_tokens.weight.detach()[TOKENS] + 0.1 * normal(len(TOKENS), shape[1])
tokens.tensors["base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta"] = rows
for module in ("model.embed_tokens", "lm_head"):
    tokens.changes.append(("rows", module, TOKENS, rows))
each(tokens, ["mlp.up_proj"], layers=[0])
finish("tokens", tokens)

# Two at once, one of them by half: DoRA's ratio is that of its own sum, and deltas add.
model = copy.deepcopy(PLAIN)
with torch.no_grad():
    deltas = {}
    for adapter, weight in ((plain, 0.5), (dora, 1.0)):
        for _, module, a, b, s, m, _ in adapter.changes:
            w = PLAIN.get_submodule(module).weight
            deltas.setdefault(module, []).append(merged(w, a, b, s * weight, m) - w)
    for module, parts in deltas.items():
        layer = model.get_submodule(module)
        layer.weight = torch.nn.Parameter(layer.weight + sum(parts))
record(os.path.join(out, "two.safetensors"), model, input_ids=IDS)

# The vision tower and the text layers of a multimodal model.
VISION = load("vision-one")
from safetensors.torch import load_file
given = load_file(os.path.join(reference, "vision-one", "reference.safetensors"))
tower = Adapter({"r": 3, "lora_alpha": 6})
for name, module in list(VISION.named_modules()):
    if not isinstance(module, torch.nn.Linear) or "encoder.layers" not in name and "language_model" not in name:
        continue
    if name.endswith(("q_proj", "v_proj", "out_proj", "fc1", "fc2")):
        tower.linear(name, tuple(module.weight.shape))
tower.save("tower")
tower.apply(VISION)
record(os.path.join(out, "tower", "reference.safetensors"), VISION, input_ids=given["input_ids"][None],
       pixel_values=given["pixel_values"], token_type_ids=given["token_type_ids"][None])
