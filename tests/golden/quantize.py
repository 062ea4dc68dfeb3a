#!/usr/bin/env python3
"""Writes tests/golden/quantize/quantize.safetensors: vectors, and the codes sentence-transformers gives them.

    python3 quantize.py

Made with sentence-transformers 6.2, numpy and safetensors; a new file is only needed if the definition changes.
tests/golden/quantize_test.cpp compares the library's codes with it, byte for byte. Every width has vectors inside and
outside of their calibration range, vectors at its ends, zeros of both signs, and numbers that are denormal.
"""
import pathlib

import numpy
from safetensors.numpy import save_file
from sentence_transformers.util import quantization

WIDTHS = [1, 7, 8, 9, 33]


def main():
    random = numpy.random.default_rng(1)
    tensors = {}
    for width in WIDTHS:
        calibration = random.standard_normal((11, width)).astype(numpy.float32) / numpy.float32(width)
        vectors = (random.standard_normal((17, width)) * 1.3 / width).astype(numpy.float32)
        vectors[0] = calibration.min(axis=0)
        vectors[1] = calibration.max(axis=0)
        vectors[2] = 0.0
        vectors[3] = -0.0
        vectors[4] = 1e-42
        vectors[5] = 3e38
        vectors[6] = -3e38
        ranges = numpy.vstack((calibration.min(axis=0), calibration.max(axis=0)))
        tensors[f"{width}.calibration"] = calibration
        tensors[f"{width}.vectors"] = vectors
        for precision in ["int8", "binary", "ubinary"]:
            codes = quantization.quantize_embeddings(vectors, precision, calibration_embeddings=calibration)
            tensors[f"{width}.{precision}"] = codes
        decoded = quantization._dequantize_embeddings(tensors[f"{width}.int8"], "int8", ranges)
        tensors[f"{width}.decoded"] = decoded.astype(numpy.float32)
    path = pathlib.Path(__file__).parent / "quantize" / "quantize.safetensors"
    path.parent.mkdir(exist_ok=True)
    save_file({name: numpy.ascontiguousarray(value) for name, value in tensors.items()}, path)
    print(f"{len(tensors)} tensors, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
