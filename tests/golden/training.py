#!/usr/bin/env python3
"""Trains tiny random encoders with PyTorch and writes losses, every gradient, ten steps and the weights after them.

usage: training.py OUT_DIR       (needs torch, transformers, safetensors; written with torch 2.15, transformers 5.24)

OUT_DIR/training/batches.jsonl: a batch a line: "queries" (B), "reasoning" (B, null where there is none),
"documents" (B G, the positive of query i at i G). The first is for gradients, the other ten are the steps.
OUT_DIR/training/<family>/, family in bert, qwen3:
  config.json, model.safetensors: the weights before training, f32. A token is a byte, END closes each text
  <dtype>.gradients.safetensors, for kind in plain (InfoNCE, and Redapter in its warm-up), weighted (Redapter after it):
    <kind>.loss (1), .losses, .intensities, .weights (B), .grad.<parameter>
  <dtype>.curve.safetensors, for loss in infonce, redapter:
    <loss>.loss, .norm (before clipping), .rate (10), .weights.<t> (B) of step t, .final.<parameter>
with dtype in f32, f64, the type in which everything is computed.

Pinned because a gradient that is wrong by a definition passes every check against finite differences, and a whole run
joins definitions (what is clipped, what decays, which step a warm-up ends at) that no single check sees together. The
files may change only when a loss, an optimiser or an architecture is defined anew, or with the list of batches.

Every text runs alone, so no padding and no mask has a part in it. f32 is transformers' own code. In f64 three parts of
its Qwen3 would go through f32 and hide everything below 1e-7: RMSNorm, the softmax of attention, sine and cosine of the
rotary angles. `float64_qwen3` replaces them by the same formulas in f64. Frequencies and angles stay in f32, as
transformers and the library compute them.
"""
import contextlib
import json
import pathlib
import sys
from unittest import mock

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel, Qwen3Config, Qwen3Model, get_linear_schedule_with_warmup
from transformers.models.qwen3 import modeling_qwen3

TAU, KAPPA, EPS = 0.02, 5.0, 1e-6
END = 257
QUERY_TOKENS, DOCUMENT_TOKENS = 28, 36
STEPS, LOSS_WARMUP = 10, 5  # the steps' warm-up of Redapter; that of gradients is the default, 100
LEARNING_RATE, RATE_WARMUP, DECAY = 1e-3, 3, 0.01
CLIP = 10.0  # some steps are clipped, some are not
DTYPES = {"f32": torch.float32, "f64": torch.float64}

WORDS = ["salt", "MOON", "iron", "Zeit", "fear", "water", "pr1me", "gas?", "(lu)", "77 keys", "été", "x=y+z"]
REASONS = ["melts ice", "PULLS TIDES", "rusts: O2", "läuft ab", "of heights", "boils at 100", "has 2 divisors", "expands",
           "is a factor", "open 77 locks", "revient", "solves it"]


def make_batches():
    """Returns batches whose sizes differ: B = 4, 3, 5 and 1 queries of G = 3, 2, 1 and 4 documents."""
    batches = []
    for number in range(1 + STEPS):
        size, group = [(4, 3), (3, 2), (5, 1), (1, 4)][number % 4]
        batch = {"queries": [], "reasoning": [], "documents": []}
        for i in range(size):
            k = 5 * number + i
            documents = [f"{WORDS[(k + 5 * j) % 12]} {REASONS[(k + 7 * j) % 12]}" for j in range(group)]
            batch["queries"].append(f"why {WORDS[k % 12]} #{number}?")
            batch["reasoning"].append([f"{documents[0]}, so #{number}", f"so {documents[0]}", None][(i + number) % 3])
            batch["documents"] += documents
        batches.append(batch)
    # the positive itself, far from all others: l' near 0; and texts longer than the limits: the end is cut, END stays
    batches[0]["documents"][3] = batches[0]["reasoning"][1] = "%%%%%%%%%%%%%%%%"
    batches[0]["queries"][3] = "what is it that makes a long question longer than it has to be?"
    batches[0]["reasoning"][3] = "zinc has to be as long as the question is"
    batches[0]["documents"][11] = "a document that says a few words more than there are tokens for"
    return batches


def tokens_of(text, limit):
    return torch.tensor([list(text.encode())[:limit - 1] + [END]])


def embed(model, pool, texts, limit):
    hidden = [pool(model(input_ids=tokens_of(text, limit)).last_hidden_state[0]) for text in texts]
    return torch.nn.functional.normalize(torch.stack(hidden), dim=-1)


def losses_of(q, d):
    labels = torch.arange(q.shape[0]) * (d.shape[0] // q.shape[0])
    return torch.nn.functional.cross_entropy(q @ d.T / TAU, labels, reduction="none")


def contrastive(model, pool, batch, weighted):
    """Returns loss, losses, intensities, weights of one batch."""
    documents = embed(model, pool, batch["documents"], DOCUMENT_TOKENS)
    losses = losses_of(embed(model, pool, batch["queries"], QUERY_TOKENS), documents)
    intensities = torch.ones_like(losses)
    if weighted:
        with torch.no_grad():
            known = torch.tensor([text is not None for text in batch["reasoning"]])
            reasoning = embed(model, pool, [text or "" for text in batch["reasoning"]], QUERY_TOKENS)
            measured = losses / (losses_of(reasoning, documents) + EPS)
            intensities = torch.where(known, measured, intensities)
    weights = intensities.detach().clamp(0.0, KAPPA)
    weights = weights / weights.sum()
    return (weights * losses).sum(), losses, intensities, weights


def gradients(model, pool, batch):
    out = {}
    for kind in ("plain", "weighted"):
        model.zero_grad()
        loss, losses, intensities, weights = contrastive(model, pool, batch, kind == "weighted")
        loss.backward()
        found = {"loss": loss[None], "losses": losses, "intensities": intensities, "weights": weights}
        out |= {f"{kind}.{key}": value for key, value in found.items()}
        out |= {f"{kind}.grad.{name}": p.grad.clone() for name, p in model.named_parameters()}
    return out


def train(model, pool, batches, redapter):
    decays = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": decays, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE)
    schedule = get_linear_schedule_with_warmup(optimizer, RATE_WARMUP, STEPS)
    out, curve = {}, {"loss": [], "norm": [], "rate": []}
    for step, batch in enumerate(batches):
        optimizer.zero_grad()
        loss, _, _, weights = contrastive(model, pool, batch, redapter and step >= LOSS_WARMUP)
        loss.backward()
        curve["loss"].append(loss.item())
        curve["norm"].append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        curve["rate"].append(optimizer.param_groups[0]["lr"])
        out[f"weights.{step}"] = weights
        optimizer.step()
        schedule.step()
    out |= {key: torch.tensor(values, dtype=torch.float64) for key, values in curve.items()}
    return out | {f"final.{name}": p for name, p in model.named_parameters()}


@contextlib.contextmanager
def float64_qwen3():
    def norm(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))

    def rotary(self, x, position_ids):
        config = self.config
        exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
        frequencies = 1.0 / config.rope_parameters["rope_theta"] ** exponents  # in f32, as transformers
        angles = (position_ids[..., None].to(torch.float32) * frequencies).to(torch.float64)
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()

    def attention(module, query, key, value, attention_mask, scaling, dropout=0.0, **_):
        key, value = (modeling_qwen3.repeat_kv(x, module.num_key_value_groups) for x in (key, value))
        scores = query @ key.transpose(2, 3) * scaling + attention_mask
        return (scores.softmax(-1) @ value).transpose(1, 2).contiguous(), None

    with mock.patch.object(modeling_qwen3.Qwen3RMSNorm, "forward", norm), \
         mock.patch.object(modeling_qwen3.Qwen3RotaryEmbedding, "forward", rotary), \
         mock.patch.object(modeling_qwen3, "eager_attention_forward", attention):
        yield


def randomized(model, seed):
    """Tokens differ more than the rest, so that texts do: their losses are of the order of 1 at this temperature."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            gain = "norm" in name.lower() and name.endswith("weight")
            tokens = name in ("embeddings.word_embeddings.weight", "embed_tokens.weight")
            parameter.copy_(1.0 + 0.2 * noise if gain else (0.5 if tokens else 0.15) * noise)
    return model.eval()


def make_bert():
    config = BertConfig(vocab_size=END + 1, hidden_size=12, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=20, max_position_embeddings=40, type_vocab_size=2, pad_token_id=None,
                        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation="eager")
    return randomized(BertModel(config, add_pooling_layer=False), 2), lambda hidden: hidden.mean(0)


def make_qwen3():
    config = Qwen3Config(vocab_size=END + 1, hidden_size=12, num_hidden_layers=2, num_attention_heads=2,
                         num_key_value_heads=1, head_dim=8, intermediate_size=20, max_position_embeddings=40,
                         rope_theta=1000000.0, rms_norm_eps=1e-6, tie_word_embeddings=True,
                         attn_implementation="eager")
    return randomized(Qwen3Model(config), 4), lambda hidden: hidden[-1]


def save(tensors, path):
    save_file({key: value.detach().clone().contiguous() for key, value in tensors.items()}, path)
    assert path.stat().st_size < 200_000, f"{path} is {path.stat().st_size} bytes"


def write_family(directory, make, batches):
    directory.mkdir(parents=True, exist_ok=True)
    model, _ = make()
    config = json.loads(model.config.to_json_string())
    (directory / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    save(dict(model.named_parameters()), directory / "model.safetensors")
    for name, dtype in DTYPES.items():
        with float64_qwen3() if dtype is torch.float64 else contextlib.nullcontext():
            model, pool = make()
            save(gradients(model.to(dtype), pool, batches[0]), directory / f"{name}.gradients.safetensors")
            curves = {}
            for loss in ("infonce", "redapter"):
                model, pool = make()
                found = train(model.to(dtype), pool, batches[1:], loss == "redapter")
                curves |= {f"{loss}.{key}": value for key, value in found.items()}
            save(curves, directory / f"{name}.curve.safetensors")


def main(out):
    torch.set_num_threads(1)
    batches = make_batches()
    directory = out / "training"
    for family, make in (("bert", make_bert), ("qwen3", make_qwen3)):
        write_family(directory / family, make, batches)
    lines = [json.dumps(batch, ensure_ascii=False) + "\n" for batch in batches]
    (directory / "batches.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
