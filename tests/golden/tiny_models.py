#!/usr/bin/env python3
"""Makes tiny random encoders with transformers and writes what PyTorch computes for them.

usage: tiny_models.py OUT_DIR        (needs torch, transformers, safetensors; written with torch 2.15, transformers 5.23)

For each family a Hugging Face directory OUT_DIR/tiny_<family>/ with config.json, model.safetensors (f32) and
expected.safetensors:
  tokens (T), offsets (B + 1), hidden (T, D) last hidden states, embeddings (B, D) pooled and L2-normalised,
  cotangent (B, D) and grad.<name>: the gradient of sum(embeddings * cotangent) by every parameter.
Every sequence runs alone through PyTorch, so no padding and no mask has a part in it. Gains and biases are random, so
that a forgotten or swapped one shows. The files may change only when an architecture is added or its sizes change.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel, Qwen3Config, Qwen3Model

LENGTHS = [1, 2, 7, 13, 5]


def randomize(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            gain = "norm" in name.lower() and name.endswith("weight")
            parameter.copy_(1.0 + 0.2 * noise if gain else 0.15 * noise)


def run(model, pool, vocab, dtype, seed, lengths=tuple(LENGTHS), first_token=0):
    generator = torch.Generator().manual_seed(seed)
    tokens = [torch.randint(first_token, vocab, (length,), generator=generator) for length in lengths]
    model = model.to(dtype).eval()
    hidden = [model(input_ids=t[None]).last_hidden_state[0] for t in tokens]
    pooled = torch.stack([pool(h) for h in hidden])
    embeddings = torch.nn.functional.normalize(pooled, dim=-1)
    cotangent = torch.randn(embeddings.shape, generator=generator).to(dtype)
    model.zero_grad()
    (embeddings * cotangent).sum().backward()
    out = {
        "tokens": torch.cat(tokens).to(torch.int32),
        "offsets": torch.tensor([0] + list(torch.tensor(lengths).cumsum(0)), dtype=torch.int32),
        "hidden": torch.cat(hidden).detach(),
        "embeddings": embeddings.detach(),
        "cotangent": cotangent,
    }
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            out["grad." + name] = parameter.grad.detach()
    return out


def write(directory, model, expected):
    directory.mkdir(parents=True, exist_ok=True)
    weights = {name: p.detach().to(torch.float32).clone().contiguous() for name, p in model.named_parameters()}
    config = json.loads(model.config.to_json_string())
    (directory / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    save_file(weights, directory / "model.safetensors")
    save_file({k: v.contiguous() for k, v in expected.items()}, directory / "expected.safetensors")
    for path in directory.iterdir():
        assert path.stat().st_size < 200_000, f"{path} is {path.stat().st_size} bytes"


def main(out):
    torch.manual_seed(1)
    bert = BertModel(BertConfig(vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                                intermediate_size=56, max_position_embeddings=32, type_vocab_size=2, pad_token_id=None,
                                attn_implementation="eager"), add_pooling_layer=False)
    randomize(bert, 2)
    expected = run(bert, lambda h: h.mean(0), 96, torch.float64, 3)
    write(out / "tiny_bert", bert, expected)

    qwen3 = Qwen3Model(Qwen3Config(vocab_size=120, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                                   num_key_value_heads=2, head_dim=16, intermediate_size=56,
                                   max_position_embeddings=64, rope_theta=1000000.0, rms_norm_eps=1e-6,
                                   tie_word_embeddings=True, attn_implementation="eager"))
    randomize(qwen3, 4)
    expected = run(qwen3, lambda h: h[-1], 120, torch.float32, 5)
    write(out / "tiny_qwen3", qwen3, expected)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
