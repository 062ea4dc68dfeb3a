#!/usr/bin/env python3
"""Compares the vectors of saved models with those sentence-transformers computes from the same directories.

usage: open_saved_model.py DIRECTORY              compare what lies there
       open_saved_model.py --program PROGRAM      let PROGRAM (the golden tests) save its models, then compare

Below DIRECTORY, each NAME holds model/ (as save_encoder writes it), texts.json and expected.safetensors (query and
document, (N, D) f32), and where these were encoded with a LoRA adapter adapter/ (as save_adapter writes it), which PEFT
puts on the model, once beside the weights and once merged into them. Texts are encoded in padded batches, one model
after the other; the largest difference of an element is printed and must be at most 1e-5 (for vectors without unit
length: of the largest element).

Runs under the interpreter that REASONEMBED_REFERENCE_PYTHON names, if any. Without sentence-transformers and PEFT it
says that it skips, and exits with 77. Written with sentence-transformers 6.2, transformers 5.24, PEFT 0.21.
"""
import json
import os

import reference_python

LIMIT = 1e-5


def compare(directory, merge=False):
    """Returns the largest difference of all vectors in one directory."""
    import numpy
    import torch
    from safetensors.numpy import load_file
    from sentence_transformers import SentenceTransformer

    # Weights in bfloat16 are computed with in float32, as here: by itself torch would round every activation too.
    model = SentenceTransformer(str(directory / "model"), device="cpu", local_files_only=True,
                                model_kwargs={"dtype": torch.float32})
    if (directory / "adapter").exists():
        from peft import PeftModel
        transformer = model[0]
        wrapped = PeftModel.from_pretrained(transformer.auto_model, str(directory / "adapter"))
        if merge:
            wrapped = wrapped.merge_and_unload()
        transformer.auto_model = wrapped
    texts = json.loads((directory / "texts.json").read_text(encoding="utf-8"))
    expected = load_file(directory / "expected.safetensors")
    largest = 0.0
    for role, encode in [("query", model.encode_query), ("document", model.encode_document)]:
        got = encode(texts, batch_size=16, show_progress_bar=False, convert_to_numpy=True)
        if got.shape != expected[role].shape:
            raise SystemExit(f"{directory}: {role} vectors are {got.shape}, expected {expected[role].shape}")
        scale = max(1.0, float(numpy.abs(expected[role]).max()))
        largest = max(largest, float(numpy.abs(got - expected[role]).max()) / scale)
    how = " (merged)" if merge else ""
    print(f"{directory.name}{how}: {len(texts)} texts as query and document, largest difference {largest:.2g}", flush=True)
    return largest


def compare_all(root):
    directories = sorted(path.parent for path in root.glob("*/expected.safetensors"))
    if not directories:
        raise SystemExit(f"{root}: saved models are missing, expected NAME/expected.safetensors")
    worn = [directory for directory in directories if (directory / "adapter").exists()]
    differences = [compare(directory) for directory in directories] + [compare(directory, True) for directory in worn]
    if not max(differences) <= LIMIT:
        raise SystemExit(f"the largest difference exceeds {LIMIT}")


def main():
    reference_python.enter(["sentence_transformers", "peft"], "sentence-transformers and PEFT")
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    reference_python.run(compare_all, "*saved_model_test.cpp", "REASONEMBED_SAVED_MODELS")


if __name__ == "__main__":
    main()
