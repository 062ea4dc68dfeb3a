#!/usr/bin/env python3
"""Writes tests/golden/safetensors/reference.safetensors with the Python package, and reads what the library wrote.

    python3 safetensors_files.py                 writes the reference file
    python3 safetensors_files.py check FILE      compares FILE, written by write_safetensors, with the same tensors

Made with safetensors 0.8.0 and torch; a new file is only needed if the format changes. tests/unit/io/safetensors_test.cpp
knows the values below; unit_io, run with REASONEMBED_KEEP=FILE, writes FILE for `check`.
"""
import pathlib
import sys

import torch
from safetensors import safe_open
from safetensors.torch import save_file

BITS16 = [0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x3C00, 0x7BFF, 0x7C00, 0xFC00, 0x3555]
METADATA = {"format": "pt", "note": "caf\u00e9 \u4e2d \U0001f600 \"quoted\""}


def tensors():
    bits = torch.tensor([b - 0x10000 if b >= 0x8000 else b for b in BITS16], dtype=torch.int16)
    steps = torch.arange(6, dtype=torch.float64).reshape(2, 3)
    return {
        "half.bits": bits.view(torch.float16),
        "bfloat.bits": bits.clone().view(torch.bfloat16),
        "single": (steps / 8 - 0.25).to(torch.float32),
        "double": steps / 10,
        "scalar": torch.tensor(2.5, dtype=torch.float32),
        "no.rows": torch.zeros(0, 4, dtype=torch.float32),
        "cube": torch.arange(8, dtype=torch.int64).reshape(2, 2, 2) - 4,
        "short": torch.tensor([-2, -1, 0, 1], dtype=torch.int32),
        "byte": torch.tensor([0, 127, 255], dtype=torch.uint8),
        "flag": torch.tensor([True, False, True]),
        "\u540d\u524d": torch.ones(1, dtype=torch.float32),
    }


def check(path):
    want = tensors()
    with safe_open(path, "pt") as file:
        assert file.metadata() == METADATA, file.metadata()
        assert sorted(file.keys()) == sorted(want), file.keys()
        for name, tensor in want.items():
            got = file.get_tensor(name)
            assert got.dtype == tensor.dtype and got.shape == tensor.shape, (name, got.dtype, got.shape)
            same = got.contiguous().view(-1).view(torch.uint8) == tensor.contiguous().view(-1).view(torch.uint8)
            assert bool(same.all()), name
    print(path, "holds the same", len(want), "tensors")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "check":
        check(sys.argv[2])
    else:
        target = pathlib.Path(__file__).parent / "safetensors" / "reference.safetensors"
        target.parent.mkdir(exist_ok=True)
        save_file(tensors(), target, METADATA)
        check(target)
