#!/usr/bin/env python3
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# Writes the seeds of adapter_fuzz into the folder given: settings, a zero byte, a safetensors file,
# for the model of tests/support/model_writer.h (hidden 32, heads of 16, a vocabulary of 300).
import json
import os
import struct
import sys


def safetensors(tensors):
    header, data = {}, b""
    for name, shape in tensors.items():
        count = 1
        for n in shape:
            count *= n
        values = struct.pack(f"<{count}f", *(((7 * i) % 13 - 6) / 16 for i in range(count)))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


P = "base_model.model.model."
SEEDS = {
    "peft": ({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "alpha_pattern": {"layers\\.[0-3].*q_proj": 3},
              "use_rslora": True},
             {P + "layers.0.self_attn.q_proj.lora_A.weight": [2, 32],
              P + "layers.0.self_attn.q_proj.lora_B.weight": [64, 2]}),
    "dora": ({"peft_type": "LORA", "use_dora": True, "lora_bias": True},
             {P + "layers.1.self_attn.k_proj.lora_A.default.weight": [1, 32],
              P + "layers.1.self_attn.k_proj.lora_B.default.weight": [32, 1],
              P + "layers.1.self_attn.k_proj.lora_B.default.bias": [32],
              P + "layers.1.self_attn.k_proj.lora_magnitude_vector": [32]}),
    "tables": ({"peft_type": "LORA", "trainable_token_indices": {"embed_tokens": [3, 299]},
                "ensure_weight_tying": True},
               {P + "embed_tokens.token_adapter.trainable_tokens_delta": [2, 32],
                P + "embed_tokens.lora_embedding_A": [1, 300],
                P + "embed_tokens.lora_embedding_B": [32, 1]}),
    "head": ({"peft_type": "LORA", "modules_to_save": ["lm_head"]},
             {"base_model.model.lm_head.modules_to_save.weight": [300, 32]}),
    "tower": ({"peft_type": "LORA"},
              {P + "vision_tower.vision_model.encoder.layers.0.self_attn.out_proj.lora_A.weight": [2, 24],
               P + "vision_tower.vision_model.encoder.layers.0.self_attn.out_proj.lora_B.weight": [24, 2]}),
    "mlx": ({"fine_tune_type": "dora", "lora_parameters": {"rank": 2, "scale": 10.0}},
            {"model.layers.2.self_attn.v_proj.lora_a": [32, 2], "model.layers.2.self_attn.v_proj.lora_b": [2, 32],
             "model.layers.2.self_attn.v_proj.m": [32]}),
}
for name, (config, tensors) in SEEDS.items():
    with open(os.path.join(sys.argv[1], name), "wb") as file:
        file.write(json.dumps(config).encode() + b"\0" + safetensors(tensors))
