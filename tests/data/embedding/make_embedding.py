#!/usr/bin/env python3
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
"""Writes a tiny random EmbeddingGemma, as sentence-transformers lays it out, with reference outputs.

usage: make_embedding.py DEMO_TOKENIZER_JSON OUT_DIR

OUT_DIR/tiny holds the model (bfloat16; the tokenizer is the demo model's), OUT_DIR/reference.json
texts with prompts, their token ids, and their vectors: transformers' Gemma3TextModel in float32 over
the bfloat16 weights, and sentence-transformers' arithmetic written out (mean of all rows, two linear
layers, normalisation). Every text is computed alone.
Made with torch 2.14 and transformers 5.12.
"""
import json
import os
import sys

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import Gemma3TextConfig, Gemma3TextModel

tokenizer_json, out = sys.argv[1:]
tiny = os.path.join(out, "tiny")
os.makedirs(tiny, exist_ok=True)
tokenizer = Tokenizer.from_file(tokenizer_json)
VOCAB, WIDTH, INNER = 4128, 64, 128
assert tokenizer.get_vocab_size() <= VOCAB
SHAPE = dict(vocab_size=VOCAB, hidden_size=WIDTH, intermediate_size=96, num_hidden_layers=7,
             num_attention_heads=4, num_key_value_heads=1, head_dim=32, query_pre_attn_scalar=32,
             max_position_embeddings=128, use_bidirectional_attention=True)
WINDOW = 12  # of both sides; transformers halves it as it reads it

torch.manual_seed(5)
config = Gemma3TextConfig(**SHAPE, sliding_window=WINDOW)
assert config.sliding_window == WINDOW // 2 + 1
model = Gemma3TextModel(config).eval()
generator = torch.Generator().manual_seed(7)


def normal(p):
    return torch.randn(p.shape, generator=generator)


def stored(t):
    return t.to(torch.bfloat16).to(torch.float32)


# Buffers stay as they are: a model that is loaded in float32 rounds none of its constants.
with torch.no_grad():
    for name, p in model.named_parameters():
        if name.startswith("embed_tokens"):
            p.copy_(stored(normal(p) * (0.5 / WIDTH ** 0.5)))
        elif p.dim() >= 2:
            p.copy_(stored(normal(p) * (1.6 / p.shape[1] ** 0.5)))
        else:
            p.copy_(stored(0.25 * normal(p)))
w2 = stored(torch.randn(INNER, WIDTH, generator=generator) / WIDTH ** 0.5)
w3 = stored(torch.randn(WIDTH, INNER, generator=generator) / INNER ** 0.5)

PROMPTS = {"query": "task: search result | query: ", "document": "title: none | text: ",
           "STS": "task: sentence similarity | query: "}


def ids_of(text):
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    return [2] + ids + [1]


def vector(ids):
    with torch.no_grad():
        states = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        v = w3 @ (w2 @ states.mean(dim=0))
        return v / v.norm()


CASES = [("", "apple"), ("", "banana"), ("", "car"), ("", ""), ("query", "Which planet is red?"),
         ("document", "Mars, known for its reddish appearance, is often referred to as the Red Planet."),
         ("STS", "The weather is beautiful today."), ("", "日本語 and ünïcode\n\ttoo  "),
         # Longer than the window, and than a tile of 64 keys.
         ("", "one red circle and two blue squares; " * 9), ("query", "a large green star " * 5)]
cases = []
for name, text in CASES:
    ids = ids_of(PROMPTS.get(name, "") + text)
    cases.append({"prompt": name, "text": text, "ids": ids,
                  "vector": vector(ids).tolist()})
with open(os.path.join(out, "reference.json"), "w", encoding="utf-8") as file:
    json.dump({"cases": cases}, file, ensure_ascii=False, indent=0)

tensors = {name: p.to(torch.bfloat16).contiguous() for name, p in model.named_parameters()}
save_file(tensors, os.path.join(tiny, "model.safetensors"), metadata={"format": "pt"})


def write(path, value):
    path = os.path.join(tiny, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)


write("config.json", {**SHAPE, "architectures": ["Gemma3TextModel"], "model_type": "gemma3_text",
                      "sliding_window": WINDOW, "torch_dtype": "bfloat16", "rope_theta": 1000000.0,
                      "rope_local_base_freq": 10000.0, "hidden_activation": "gelu_pytorch_tanh",
                      "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0,
                      "layer_types": config.layer_types})
write("modules.json", [
    {"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
    for i, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"),
                                      ("3_Dense", "Dense"), ("4_Normalize", "Normalize")])])
write("sentence_bert_config.json", {"max_seq_length": 128, "do_lower_case": False})
write("1_Pooling/config.json", {"word_embedding_dimension": WIDTH, "include_prompt": True,
                                **{"pooling_mode_" + mode: mode == "mean_tokens" for mode in
                                   ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens",
                                    "weightedmean_tokens", "lasttoken")}})
for folder, weight in (("2_Dense", w2), ("3_Dense", w3)):
    write(folder + "/config.json", {"in_features": weight.shape[1], "out_features": weight.shape[0], "bias": False,
                                    "activation_function": "torch.nn.modules.linear.Identity"})
    save_file({"linear.weight": weight.contiguous()}, os.path.join(tiny, folder, "model.safetensors"))
write("config_sentence_transformers.json", {"prompts": PROMPTS, "default_prompt_name": None,
                                            "similarity_fn_name": "cosine"})
