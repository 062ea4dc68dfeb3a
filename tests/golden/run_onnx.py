#!/usr/bin/env python3
"""Runs exported models with ONNX Runtime and compares their vectors with those they should give.

usage: run_onnx.py DIRECTORY              compare what lies there
       run_onnx.py --program PROGRAM      let PROGRAM (the golden tests) export its models, then compare

Below DIRECTORY, each NAME holds model.onnx and expected.safetensors: tokens (T) and offsets (B + 1) of texts one after
another, embeddings (B, D), and for some models hidden (T, D). The texts run together, padded on the right and on the
left with any ids, and alone. The largest difference of an element is printed and must be at most 1e-5 (of the largest
element, where that is above 1). With the package onnx, its checker must accept every file.

Runs under the interpreter that REASONEMBED_REFERENCE_PYTHON names, if any. Without onnxruntime it says that it skips,
and exits with 77. Written with onnxruntime 1.32, onnx 1.23.
"""
import importlib.util

import reference_python

LIMIT = 1e-5


def padded(texts, side, random):
    """Returns ids and mask, (B, T) each; the ids of padding are any, its mask 0."""
    import numpy
    length = max(len(text) for text in texts)
    ids = random.integers(0, 5, (len(texts), length), dtype=numpy.int64)
    mask = numpy.zeros_like(ids)
    for row, text in enumerate(texts):
        begin = length - len(text) if side == "left" else 0
        ids[row, begin:begin + len(text)] = text
        mask[row, begin:begin + len(text)] = 1
    return ids, mask


def check_form(path):
    if importlib.util.find_spec("onnx") is not None:
        import onnx
        onnx.checker.check_model(str(path), full_check=True)  # infers every shape, too


def compare(directory):
    """Returns the largest difference of all vectors in one directory."""
    import numpy
    import onnxruntime
    from safetensors.numpy import load_file

    path = directory / "model.onnx"
    check_form(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()], [value.name for value in session.get_outputs()]
    if names != (["input_ids", "attention_mask"], ["token_embeddings", "sentence_embedding"]):
        raise SystemExit(f"{path}: inputs and outputs are {names}")
    expected = load_file(directory / "expected.safetensors")
    offsets = expected["offsets"]
    texts = [expected["tokens"][a:b] for a, b in zip(offsets, offsets[1:])]
    scale = max(1.0, float(numpy.abs(expected["embeddings"]).max()))
    largest = 0.0

    def run(rows, ids, mask):
        nonlocal largest
        states, vectors = session.run(None, {"input_ids": ids, "attention_mask": mask})
        want = expected["embeddings"][rows]
        if vectors.shape != want.shape or not numpy.isfinite(vectors).all():
            raise SystemExit(f"{path}: vectors are {vectors.shape}, expected {want.shape}, all of them numbers")
        largest = max(largest, float(numpy.abs(vectors - want).max()) / scale)
        if "hidden" in expected:
            got = numpy.concatenate([states[i][mask[i] == 1] for i in range(len(ids))])
            want = numpy.concatenate([expected["hidden"][offsets[i]:offsets[i + 1]] for i in rows])
            largest = max(largest, float(numpy.abs(got - want).max() / max(1.0, numpy.abs(want).max())))

    random = numpy.random.default_rng(1)
    for side in ["right", "left"]:
        run(range(len(texts)), *padded(texts, side, random))
    for row, text in enumerate(texts):
        run([row], *padded([text], "right", random))
    ids, mask = padded(texts[:1], "right", random)
    states, vectors = session.run(None, {"input_ids": ids, "attention_mask": numpy.zeros_like(mask)})
    if not (numpy.isfinite(states).all() and numpy.isfinite(vectors).all()):
        raise SystemExit(f"{path}: a text of padding alone gives vectors that are no numbers")
    print(f"{directory.name}: {len(texts)} texts, largest difference {largest:.2g}", flush=True)
    return largest


def compare_all(root):
    directories = sorted(path.parent for path in root.glob("*/model.onnx"))
    if not directories:
        raise SystemExit(f"{root}: exported models are missing, expected NAME/model.onnx")
    if not max([compare(directory) for directory in directories]) <= LIMIT:
        raise SystemExit(f"the largest difference exceeds {LIMIT}")


def main():
    reference_python.enter(["onnxruntime", "safetensors"], "onnxruntime")
    reference_python.run(compare_all, "*golden/onnx_test.cpp", "REASONEMBED_ONNX_MODELS")


if __name__ == "__main__":
    main()
