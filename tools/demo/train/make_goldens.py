"""Reference outputs of transformers (float32 on the BF16 weights) for engine tests.

    python make_goldens.py --model tiny-gemma3 --eval eval/eval.jsonl --out goldens

goldens.json: per prompt the messages, input ids, greedy continuation (ids and
text) and the positions whose logits are stored.  goldens.safetensors: ``<id>/logits``
(positions x vocabulary, float32), ``<id>/positions``; for the pictures
``<id>/pixel_values`` is left out (it follows from the PNG), ``<id>/soft_tokens``
holds the projected image tokens (images x 16 x hidden).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil

import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import AutoProcessor, Gemma3ForConditionalGeneration

from evaluate import load_images

WANTED = ["chat-01", "gemma_facts-02", "arithmetic-03", "strings-04", "function_call-01", "function_call-05", "memory-01",
          "system_prompt-02", "passkey-01", "passkey_long-01", "passkey_long-02", "image_describe-01", "image_count-02",
          "image_korean-03", "image_pair-01", "image_pair-02"]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", required=True)
    ap.add_argument("--eval", required=True)
    ap.add_argument("--out", required=True)
    a = ap.parse_args()
    root = os.path.dirname(a.eval)
    os.makedirs(os.path.join(a.out, "images"), exist_ok=True)
    model = Gemma3ForConditionalGeneration.from_pretrained(a.model, dtype=torch.float32, attn_implementation="eager").eval()
    proc = AutoProcessor.from_pretrained(a.model)
    rows = {r["id"]: r for r in map(json.loads, open(a.eval, encoding="utf-8"))}
    index, arrays = [], {}
    for ident in WANTED:
        r = rows[ident]
        pics = [p["image"] for m in r["messages"] for p in m["content"] if p["type"] == "image"]
        for p in pics:
            shutil.copy(os.path.join(root, p), os.path.join(a.out, p))
        messages = json.loads(json.dumps(r["messages"]))
        inputs = proc.apply_chat_template(load_images(r["messages"], root), add_generation_prompt=True, tokenize=True,
                                          return_dict=True, return_tensors="pt")
        n = inputs["input_ids"].shape[1]
        with torch.inference_mode():
            logits = model(**inputs).logits[0]
            o = model.generate(**inputs, max_new_tokens=32, do_sample=False, eos_token_id=[1, 106], top_k=None, top_p=None)
            if pics:
                soft = model.get_image_features(inputs["pixel_values"]).pooler_output
                arrays[f"{ident}/soft_tokens"] = np.ascontiguousarray(soft.numpy(), np.float32)
        positions = sorted({0, n // 3, 2 * n // 3, n - 1})
        arrays[f"{ident}/positions"] = np.array(positions, np.int32)
        arrays[f"{ident}/logits"] = np.ascontiguousarray(logits[positions].numpy(), np.float32)
        new = o[0, n:].tolist()
        index.append({"id": ident, "messages": messages, "images": pics, "input_ids": inputs["input_ids"][0].tolist(),
                      "greedy_ids": new, "greedy_text": proc.tokenizer.decode(new, skip_special_tokens=True),
                      "expected": r["expected"]})
        print(ident, n, repr(index[-1]["greedy_text"][:100]))
    save_file(arrays, os.path.join(a.out, "goldens.safetensors"))
    with open(os.path.join(a.out, "goldens.json"), "w", encoding="utf-8") as f:
        json.dump(index, f, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    main()
