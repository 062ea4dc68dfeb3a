#!/usr/bin/env python3
"""Writes what PyTorch computes for the tiny encoders of this directory when their weights are bfloat16.

usage: bfloat16.py OUT.safetensors      (needs torch, transformers, safetensors; written with torch 2.15,
                                         transformers 5.24)

For each tiny_<family>/ here, texts of 1, 2, an odd number, the most and about half of the most tokens, and as
<family>.<name>:
  tokens (T), offsets (B + 1)
  float32 (B, D)   pooled and L2-normalised, all in float32
  stored (B, D)    the same with projections and tables rounded to bfloat16, gains, biases and arithmetic in float32:
                   what Cpu<bf16> computes
  bfloat16 (B, D)  the model as it runs after .to(torch.bfloat16): every activation rounded too
The file may change only with tiny_models.py and families.py.
"""
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModel

HERE = pathlib.Path(__file__).resolve().parent
# family: pooling, tokens, of which the first few are left out, and the longest text
FAMILIES = {"bert": ("mean", 96, 0, 32), "qwen3": ("last", 120, 0, 64), "qwen2": ("last", 64, 0, 64),
            "qwen2_bidirectional": ("mean", 64, 0, 64), "llama": ("last", 64, 0, 48), "llama3": ("last", 64, 0, 200),
            "mistral": ("last", 64, 0, 16), "xlm_roberta": ("mean", 64, 2, 32)}


def embed(model, tokens, pooling):
    """Every text alone, so that no padding has a part in it."""
    hidden = [model(input_ids=t[None]).last_hidden_state[0].float() for t in tokens]
    pooled = torch.stack([h.mean(0) if pooling == "mean" else h[-1] for h in hidden])
    return torch.nn.functional.normalize(pooled, dim=-1)


def round_weights(model):
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.copy_(parameter.to(torch.bfloat16).float())


@torch.no_grad()
def main(out):
    tensors = {}
    for seed, (family, (pooling, vocab, first, longest)) in enumerate(FAMILIES.items()):
        generator = torch.Generator().manual_seed(100 + seed)
        lengths = [1, 2, 7, longest, longest // 2 + 1]
        tokens = [torch.randint(first, vocab, (n,), generator=generator) for n in lengths]
        model = AutoModel.from_pretrained(HERE / f"tiny_{family}", torch_dtype=torch.float32,
                                          attn_implementation="eager").eval()
        results = {"tokens": torch.cat(tokens).to(torch.int32),
                   "offsets": torch.tensor([0] + list(torch.tensor(lengths).cumsum(0)), dtype=torch.int32),
                   "float32": embed(model, tokens, pooling)}
        round_weights(model)
        results["stored"] = embed(model, tokens, pooling)
        results["bfloat16"] = embed(model.to(torch.bfloat16), tokens, pooling)
        for other in ("stored", "bfloat16"):
            cosine = (results["float32"] * results[other]).sum(-1).min()
            print(f"{family}: the least cosine of {other} and float32 is {cosine:.6f}")
        tensors |= {f"{family}.{name}": tensor.contiguous() for name, tensor in results.items()}
    save_file(tensors, out)
    assert out.stat().st_size < 200_000


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
