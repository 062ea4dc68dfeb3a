#!/usr/bin/env python3
"""Writes what sentence-transformers computes with all-MiniLM-L6-v2 for 100 texts.

usage: minilm_embeddings.py MODEL_DIR OUT_DIR   (needs sentence-transformers; written with 6.2.0, torch 2.15, f32, CPU)

  minilm_embeddings.jsonl        {"text": ...}, one a line; `repeat` says how often the text stands in a row
  minilm_embeddings.safetensors  embeddings (N, 384) f32, unit length

Every text runs alone. The files may change only when the texts do; a new version of the reference must give the same
numbers to 1e-6.
"""
import json
import pathlib
import random
import sys

import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer

HAND_WRITTEN = [
    {"text": ""},
    {"text": " "},
    {"text": "a"},
    {"text": "."},
    {"text": "Hello, world!"},
    {"text": "HELLO WORLD"},
    {"text": "Why does salt draw water out of a cucumber slice?"},
    {"text": "Osmosis moves water across a membrane towards the higher concentration of solutes."},
    {"text": "na\u00efve caf\u00e9 r\u00e9sum\u00e9 co\u00f6perate"},
    {"text": "nai\u0308ve cafe\u0301 re\u0301sume\u0301"},
    {"text": "\u5317\u4eac\u662f\u4e2d\u56fd\u7684\u9996\u90fd\u3002"},
    {"text": "\u6771\u4eac\u30bf\u30ef\u30fc\u306f\u9ad8\u3044"},
    {"text": "\ud55c\uad6d\uc5b4 \ubb38\uc7a5"},
    {"text": "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440"},
    {"text": "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645"},
    {"text": "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e"},
    {"text": "\U0001f468\u200d\U0001f469\u200d\U0001f467 family \U0001f600\U0001f680"},
    {"text": "tab\tnewline\ncarriage\rreturn\x07bell"},
    {"text": "zero\u200bwidth\u00a0no-break"},
    {"text": "https://example.org/a?b=c&d=%20e#f"},
    {"text": "for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; }"},
    {"text": "3.14159265358979 1,000,000 -273.15 1e-9"},
    {"text": "donaudampfschifffahrtsgesellschaft"},
    {"text": "x" * 120},
    {"text": "[CLS] a special token in the text [SEP]"},
    {"text": "the cat sat on the mat. ", "repeat": 60},
    {"text": "reasoning needs more than words; ", "repeat": 400},
    {"text": "\u00e4", "repeat": 90},
    {"text": "word ", "repeat": 253},
    {"text": "word ", "repeat": 254},
    {"text": "word ", "repeat": 255},
]
WORDS = ("a the of energy water cell price market heat light plant proof graph theorem memory neuron tax rock ocean "
         "wind signal enzyme protein inflation gravity orbit virus bridge circuit entropy prime integral matrix soil "
         "erosion migration habit bias trust vote law river glacier carbon oxygen steel glass sound wave lens mirror "
         "why how does when if not because although every some rarely quickly 7 42 1999 3.5% (see) - ? ! ,").split()


def texts():
    random.seed(20)
    rows = list(HAND_WRITTEN)
    while len(rows) < 100:
        rows.append({"text": " ".join(random.choice(WORDS) for _ in range(random.choice([3, 8, 15, 30, 60, 120])))})
    return rows


def main(model_dir, out):
    rows = texts()
    model = SentenceTransformer(str(model_dir), device="cpu")
    torch.set_num_threads(1)
    embeddings = [model.encode([row["text"] * row.get("repeat", 1)], convert_to_tensor=True)[0] for row in rows]
    embeddings = torch.nn.functional.normalize(torch.stack(embeddings), dim=-1).to(torch.float32).contiguous()
    with open(out / "minilm_embeddings.jsonl", "w") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")
    save_file({"embeddings": embeddings}, out / "minilm_embeddings.safetensors")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
