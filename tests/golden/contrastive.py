#!/usr/bin/env python3
"""Writes what PyTorch computes for contrastive losses and for AdamW with schedules and clipping.

usage: contrastive.py OUT_DIR        (needs torch, transformers, safetensors; written with torch 2.15, transformers 5.23)

OUT_DIR/contrastive/loss.safetensors, for every case in CASES, numbers that an f32 holds exactly:
  <case>.q (B, D), <case>.d (B G, D), <case>.r (B, D) reasoning queries, <case>.has (B)
and for each dtype in f32, f64 and each step in 99 (warm-up: InfoNCE), 100 (Redapter), under <case>.<dtype>.<step>:
  .loss (1), .losses, .intensities, .weights (B), .dq, .dd
OUT_DIR/contrastive/optimizer.safetensors: start.<tensor>, gradient.<t>.<tensor> and for each dtype and each run in RUNS
  <run>.<dtype>.norms (10), .rates (10) and .<t>.<tensor> after step t
The files may change only with the definition of the loss or with the list of cases.
"""
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import (get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup,
                          get_linear_schedule_with_warmup)

TAU, KAPPA, EPS = 0.02, 5.0, 1e-6
DTYPES = {"f32": torch.float32, "f64": torch.float64}
STEPS = 10


def unit(x):
    """Unit rows that an f32 holds exactly."""
    return torch.nn.functional.normalize(x, dim=-1).to(torch.float32).to(torch.float64)


def make_cases():
    """Returns {name: (q, d, r, has)}; the losses of reasoning queries are what the cases differ in."""
    generator = torch.Generator().manual_seed(7)

    def normal(rows, cols):
        return torch.randn(rows, cols, generator=generator, dtype=torch.float64)

    cases = {}
    # moderate: l' of the order of l, intensities on both sides of 1
    d = unit(normal(12, 24))
    cases["moderate"] = (unit(normal(4, 24) + 0.3 * d[::3]), d, unit(normal(4, 24) + 0.2 * d[::3]), [1, 1, 1, 1])
    # clamped: two of five beyond 5, one query without a reasoning query
    d = unit(normal(20, 17))
    near = torch.tensor([1.9, 0.2, 0.4, 0.1, 1.5], dtype=torch.float64)[:, None]
    cases["clamped"] = (unit(normal(5, 17)), d, unit(normal(5, 17) + near * 3.0 * d[::4]), [1, 1, 1, 0, 1])
    # zero: r is the positive itself and every other document stands at right angles: l' = log1p(5 exp(-50)) = 1e-21;
    # the queries' own losses are large, because PyTorch's carry an absolute error that division by 1e-6 would show
    axes = torch.eye(8, dtype=torch.float64)
    cases["zero"] = (unit(normal(3, 8) - axes[:6:2]), axes[:6].clone(), axes[:6:2].clone(), [1, 1, 0])
    # in_batch: no hard negatives
    d = unit(normal(7, 9))
    cases["in_batch"] = (unit(normal(7, 9) + 0.5 * d), d, unit(normal(7, 9) + 0.4 * d), [1, 1, 1, 1, 1, 1, 1])
    return cases


def losses_of(q, d):
    group = d.shape[0] // q.shape[0]
    labels = torch.arange(q.shape[0]) * group
    return torch.nn.functional.cross_entropy(q @ d.T / TAU, labels, reduction="none")


def redapter(q, d, r, has, step):
    """Returns loss, losses, intensities, weights."""
    losses = losses_of(q, d)
    if step < 100:
        ones = torch.ones_like(losses)
        return losses.mean(), losses, ones, ones / len(ones)
    with torch.no_grad():
        intensities = losses / (losses_of(r, d) + EPS)
        intensities = torch.where(has, intensities, torch.ones_like(intensities))
        weights = intensities.clamp(0.0, KAPPA)
        weights = weights / weights.sum()
    return (weights * losses).sum(), losses, intensities, weights


def loss_file():
    out = {}
    for name, (q, d, r, has) in make_cases().items():
        out |= {f"{name}.q": q, f"{name}.d": d, f"{name}.r": r, f"{name}.has": torch.tensor(has, dtype=torch.float64)}
        for dtype_name, dtype in DTYPES.items():
            for step in (99, 100):
                qs, ds = (x.to(dtype, copy=True).requires_grad_() for x in (q, d))
                loss, losses, intensities, weights = redapter(qs, ds, r.to(dtype), torch.tensor(has).bool(), step)
                loss.backward()
                found = {"loss": loss[None], "losses": losses, "intensities": intensities, "weights": weights,
                         "dq": qs.grad, "dd": ds.grad}
                out |= {f"{name}.{dtype_name}.{step}.{key}": value for key, value in found.items()}
    return out


SHAPES = {"a.weight": (5, 17), "b.gain": (1, 9), "c.bias": (1, 8), "d.table": (3, 4)}
DECAYING = ("a.weight", "d.table")
LINEAR = lambda o: get_linear_schedule_with_warmup(o, 3, STEPS)
# name: schedule, clip, weight decay, options of AdamW
RUNS = {
    "linear": (LINEAR, 1.0, 0.0, dict(lr=1e-2)),
    "cosine": (lambda o: get_cosine_schedule_with_warmup(o, 2, STEPS), 1.0, 0.1, dict(lr=1e-2)),
    "constant": (lambda o: get_constant_schedule_with_warmup(o, 4), 1e9, 0.05,
                 dict(lr=3e-3, betas=(0.8, 0.95), eps=1e-6)),
}


def optimizer_file():
    generator = torch.Generator().manual_seed(11)
    start = {k: torch.randn(s, generator=generator) for k, s in SHAPES.items()}
    # growing over four orders of magnitude: some steps are clipped, some are not
    gradients = [{k: torch.randn(s, generator=generator) * 10.0 ** (0.4 * t - 3.0) for k, s in SHAPES.items()}
                 for t in range(STEPS)]
    out = {f"start.{k}": v for k, v in start.items()}
    out |= {f"gradient.{t}.{k}": v for t in range(STEPS) for k, v in gradients[t].items()}
    for name, (schedule, clip, decay, options) in RUNS.items():
        for dtype_name, dtype in DTYPES.items():
            parameters = {k: torch.nn.Parameter(v.to(dtype, copy=True)) for k, v in start.items()}
            groups = [{"params": [p for k, p in parameters.items() if k in DECAYING], "weight_decay": decay},
                      {"params": [p for k, p in parameters.items() if k not in DECAYING], "weight_decay": 0.0}]
            optimizer = torch.optim.AdamW(groups, **options)
            scheduler = schedule(optimizer)
            norms, rates = [], []
            for t in range(STEPS):
                for key, parameter in parameters.items():
                    parameter.grad = gradients[t][key].to(dtype, copy=True)
                norms.append(torch.nn.utils.clip_grad_norm_(parameters.values(), clip).double())
                rates.append(optimizer.param_groups[0]["lr"])
                optimizer.step()
                scheduler.step()
                out |= {f"{name}.{dtype_name}.{t}.{k}": p.detach().clone() for k, p in parameters.items()}
            out[f"{name}.{dtype_name}.norms"] = torch.stack(norms)
            out[f"{name}.{dtype_name}.rates"] = torch.tensor(rates, dtype=torch.float64)
    return out


def main(out):
    directory = out / "contrastive"
    directory.mkdir(parents=True, exist_ok=True)
    for name, tensors in (("loss", loss_file()), ("optimizer", optimizer_file())):
        path = directory / f"{name}.safetensors"
        save_file({k: v.detach().contiguous() for k, v in tensors.items()}, path)
        assert path.stat().st_size < 200_000, f"{path} is {path.stat().st_size} bytes"


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
