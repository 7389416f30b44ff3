#!/usr/bin/env python3
"""Writes what transformers computes with other settings over the weights of ../reference/text-odd.

usage: make_variants.py

variants.json          for each variant, the members of config.json that differ
variants.safetensors   input_ids I64 [T], and NAME F32 [rows, vocab]: the logits of the last positions

The model is loaded in float32, so that neither the scale of the embedding nor the frequencies of the rotary
embedding are rounded: what `gemma3 logits --reference f32` has to give.
Needs torch and transformers 5.
"""
import json
import os

import torch
from safetensors.torch import save_file
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "reference", "text-odd")
TOKENS, ROWS = 40, 4
LAYERS = 13


def rope(global_theta=1e6, factor=1.0, local_theta=1e4):
    scaling = {"rope_type": "linear", "factor": factor} if factor != 1 else {"rope_type": "default"}
    return {"rope_parameters": {"full_attention": {**scaling, "rope_theta": global_theta},
                                "sliding_attention": {"rope_type": "default", "rope_theta": local_theta}}}


def layers(period):
    kinds = ["full_attention" if (i + 1) % period == 0 else "sliding_attention" for i in range(LAYERS)]
    return {"layer_types": kinds, "_sliding_window_pattern": period}


VARIANTS = {
    "plain": {},
    "factor_4": rope(factor=4.0),
    "factor_half": rope(factor=0.5),
    "theta": rope(global_theta=5e5, local_theta=5e3),
    "gelu_new": {"hidden_activation": "gelu_new"},
    "gelu_fast": {"hidden_activation": "gelu_fast"},
    "period_3": layers(3),
    "all_global": {**layers(1)},
    "window_3": {"sliding_window": 3},
    "scale": {"query_pre_attn_scalar": 40},
    "eps": {"rms_norm_eps": 0.01},
}


def main():
    with open(os.path.join(MODEL, "config.json")) as f:
        base = json.load(f)
    ids = torch.randint(6, base["vocab_size"], (1, TOKENS), generator=torch.Generator().manual_seed(7))
    ids[0, 0] = 2
    out = {"input_ids": ids[0].clone()}
    for name, members in VARIANTS.items():
        config = Gemma3TextConfig(**{**base, **members}, attn_implementation="eager")
        model = Gemma3ForCausalLM.from_pretrained(MODEL, config=config, dtype=torch.float32).eval()
        with torch.no_grad():
            logits = model(input_ids=ids, use_cache=False).logits[0]
        out[name] = logits[-ROWS:].float().contiguous()
        print(name, (out[name] - out["plain"]).abs().max().item() / out["plain"].std().item())
    save_file(out, os.path.join(HERE, "variants.safetensors"))
    with open(os.path.join(HERE, "variants.json"), "w") as f:
        json.dump(VARIANTS, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
