#!/usr/bin/env python3
"""Writes LoRA adapters with PEFT, the embeddings of the models that wear them, and three steps of training one.

usage: adapters.py OUT_DIR       (needs torch, transformers, peft, safetensors; written with torch 2.15, peft 0.21)

The base models are those of training.py (OUT_DIR/training/<family>), whose batches are the texts.
OUT_DIR/adapters/<family>.<style>/, family in bert, qwen3; style in
  bare: made around the model itself, so its names begin with base_model.model.layers or .encoder; rank 4, a list of
        targets
  head: made around the model with a head, so the family's prefix comes first; use_rslora, every projection a target,
        rank_pattern and alpha_pattern
  adapter_config.json, adapter_model.safetensors: as PEFT saves them
  expected.safetensors, f64: unmerged, merged (6, D) embeddings of the queries and documents of the first batch
  steps.safetensors, f64 (bare alone): loss (3), norm (3), final.<tensor> after three steps of AdamW on InfoNCE

Pinned because a wrong scale or a wrong half of a fused projection gives vectors that look as good as right ones. The
files may change only with the base models, or when an adapter is defined anew.
"""
import contextlib
import json
import pathlib
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import BertConfig, BertForMaskedLM, BertModel, Qwen3Config, Qwen3ForCausalLM, Qwen3Model

import training

TARGETS = {"bert": ["query", "value", "attention.output.dense"], "qwen3": ["q_proj", "v_proj", "down_proj"]}
PATTERNS = {
    "bert": ({"layer.1.output.dense": 3, "key": 2}, {"encoder.layer.0.attention.self.query": 5.0}),
    "qwen3": ({"layers.1.mlp.down_proj": 3, "k_proj": 2}, {"layers.0.self_attn.q_proj": 5.0}),
}
CLASSES = {"bert": (BertConfig, BertModel, BertForMaskedLM, "bert"),
           "qwen3": (Qwen3Config, Qwen3Model, Qwen3ForCausalLM, "model")}


def load_base(directory, family, with_head):
    """Returns the model to wrap, and the encoder in it."""
    config_class, bare, head, inner = CLASSES[family]
    fields = json.loads((directory / "config.json").read_text())
    config = config_class(**fields, attn_implementation="eager")
    if not with_head:
        model = bare(config, add_pooling_layer=False) if family == "bert" else bare(config)
        encoder = model
    else:
        model = head(config)
        encoder = getattr(model, inner)
    missing = encoder.load_state_dict(load_file(directory / "model.safetensors"), strict=False)
    assert not missing.unexpected_keys and not missing.missing_keys, missing
    return model.eval(), encoder


def lora_config(family, style):
    if style == "bare":
        return LoraConfig(r=4, lora_alpha=6, lora_dropout=0.0, target_modules=TARGETS[family])
    ranks, alphas = PATTERNS[family]
    if family == "bert":
        names = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
                 "intermediate.dense", "output.dense"]
        every = [f"encoder.layer.{i}.{name}" for i in range(2) for name in names]
    else:
        every = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    return LoraConfig(r=5, lora_alpha=8, lora_dropout=0.25, use_rslora=True, target_modules=every, rank_pattern=ranks,
                      alpha_pattern=alphas)


def randomize(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))


def embeddings(encoder, pool, batch):
    with torch.no_grad():
        return training.embed(encoder, pool, batch["queries"] + batch["documents"], training.DOCUMENT_TOKENS)


def three_steps(model, encoder, pool, batches):
    """AdamW at 1e-3 with clipping at 1, InfoNCE, no dropout."""
    lora = [p for name, p in model.named_parameters() if "lora_" in name]
    optimizer = torch.optim.AdamW(lora, lr=1e-3, weight_decay=0.01)
    losses, norms = [], []
    for batch in batches:
        optimizer.zero_grad()
        loss, _, _, _ = training.contrastive(encoder, pool, batch, False)
        loss.backward()
        losses.append(loss.item())
        norms.append(torch.nn.utils.clip_grad_norm_(lora, 1.0).item())
        optimizer.step()
    out = {"loss": torch.tensor(losses, dtype=torch.float64), "norm": torch.tensor(norms, dtype=torch.float64)}
    return out | {f"final.{name.replace('.default', '')}": p for name, p in model.named_parameters() if "lora_" in name}


def write(out, family, style, batches):
    base = out / "training" / family
    directory = out / "adapters" / f"{family}.{style}"
    directory.mkdir(parents=True, exist_ok=True)
    pool = training.make_bert()[1] if family == "bert" else training.make_qwen3()[1]
    model, encoder = load_base(base, family, style == "head")
    wrapped = get_peft_model(model, lora_config(family, style)).eval()
    randomize(wrapped, 7)
    wrapped.save_pretrained(directory, save_embedding_layers=False)
    (directory / "README.md").unlink(missing_ok=True)
    config = json.loads((directory / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = None
    (directory / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    wrapped = wrapped.to(torch.float64)
    with training.float64_qwen3() if family == "qwen3" else contextlib.nullcontext():
        expected = {"unmerged": embeddings(encoder, pool, batches[0])}
        wrapped.merge_adapter()
        expected["merged"] = embeddings(encoder, pool, batches[0])
        wrapped.unmerge_adapter()
        training.save(expected, directory / "expected.safetensors")
        if style == "bare":  # from the saved weights: merging and back has rounded
            saved = load_file(directory / "adapter_model.safetensors")
            with torch.no_grad():
                for name, parameter in wrapped.named_parameters():
                    if "lora_" in name:
                        parameter.copy_(saved[name.replace(".default", "")])
            steps = three_steps(wrapped, encoder, pool, batches[1:4])
            training.save(steps, directory / "steps.safetensors")


def main(out):
    torch.set_num_threads(1)
    batches = training.make_batches()
    for family in ("bert", "qwen3"):
        for style in ("bare", "head"):
            write(out, family, style, batches)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
