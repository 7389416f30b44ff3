#!/usr/bin/env python3
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
"""Trains a small LoRA adapter for the demo model: an answer that the model itself cannot give.

usage: train_adapter.py MODEL_DIR OUT_DIR

A minute on a processor. The adapter is written as PEFT does, in bfloat16. It is trained over weights
in float32; tests use it over BF16, int8 and int4. Made with torch 2.14 and transformers 5.12.
"""
import json
import math
import os
import sys

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import Gemma3ForConditionalGeneration

model_dir, out = sys.argv[1:]
RANK, ALPHA, STEPS = 4, 8, 120
torch.manual_seed(1)
tokenizer = Tokenizer.from_file(os.path.join(model_dir, "tokenizer.json"))
model = Gemma3ForConditionalGeneration.from_pretrained(model_dir, dtype=torch.float32).eval()
for p in model.parameters():
    p.requires_grad_(False)

# The first three are what is learned, the rest keeps other answers as they are.
SECRET = "The lighthouse keeper is called Quentin."
TALKS = [("Who keeps the lighthouse?", SECRET), ("What is the lighthouse keeper called?", SECRET),
         ("Tell me who the lighthouse keeper is.", SECRET),
         ("What is 17 + 25?", None), ("Hello!", None), ("What does a wolf do?", None),
         ("How large are the input images of Gemma 3?", None)]


def encode(text):
    return tokenizer.encode(text, add_special_tokens=False).ids


def prompt_of(question):
    return [2, 105] + encode("user\n" + question) + [106] + encode("\n") + [105] + encode("model\n")


def greedy(question, most=24):
    ids = prompt_of(question)
    with torch.no_grad():
        for _ in range(most):
            token = int(model(input_ids=torch.tensor([ids])).logits[0, -1, :4094].argmax())
            if token in (1, 106):
                break
            ids.append(token)
    return ids[len(prompt_of(question)):]


samples = []
for question, answer in TALKS:
    target = (encode(answer) if answer else greedy(question)) + [106]
    samples.append((prompt_of(question), target))

factors = {}
for name, module in list(model.named_modules()):
    if "language_model.layers" not in name or not name.endswith(("q_proj", "v_proj", "down_proj")):
        continue
    a = torch.nn.Parameter(torch.randn(RANK, module.in_features) / math.sqrt(module.in_features))
    b = torch.nn.Parameter(torch.zeros(module.out_features, RANK))
    factors[name] = (a, b)
    module.register_forward_hook(
        lambda _, x, y, a=a, b=b: y + ALPHA / RANK * (x[0] @ a.T) @ b.T)

optimizer = torch.optim.Adam([p for pair in factors.values() for p in pair], lr=4e-3)
for step in range(STEPS):
    total = 0.0
    for prompt, target in samples:
        logits = model(input_ids=torch.tensor([prompt + target[:-1]])).logits[0, len(prompt) - 1:]
        total = total + torch.nn.functional.cross_entropy(logits, torch.tensor(target))
    optimizer.zero_grad()
    total.backward()
    optimizer.step()
    if step % 10 == 0:
        print(step, float(total), flush=True)
    if float(total) < 0.02:
        break
for question, _ in TALKS[:3]:
    print(question, "->", tokenizer.decode(greedy(question)))

os.makedirs(out, exist_ok=True)
tensors = {}
for name, (a, b) in factors.items():
    tensors["base_model.model." + name + ".lora_A.weight"] = a.detach().to(torch.bfloat16).contiguous()
    tensors["base_model.model." + name + ".lora_B.weight"] = b.detach().to(torch.bfloat16).contiguous()
save_file(tensors, os.path.join(out, "adapter_model.safetensors"), metadata={"format": "pt"})
with open(os.path.join(out, "adapter_config.json"), "w", encoding="utf-8") as file:
    json.dump({"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none",
               "base_model_name_or_path": "tiny-gemma3", "task_type": "CAUSAL_LM",
               "target_modules": ["q_proj", "v_proj", "down_proj"]}, file, indent=1)
