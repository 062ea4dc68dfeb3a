#!/usr/bin/env python3
"""Encodes the same texts with ReasonEmbed and its peers, in turn, in one run, on the same number of threads.

usage: compare_encoders.py PROGRAM MODEL_DIR CORPUS_JSONL --onnx MODEL.onnx [--threads 2] [--rounds 7] [--work DIR]

PROGRAM is build/release/bin/encode_rounds, MODEL_DIR all-MiniLM-L6-v2, MODEL.onnx what `reasonembed export` writes of it.
benchmarks/peers/make_peers.sh makes an environment with all peers; those that are not there are named and left out. Every
peer keeps its best batch size of {1, 8, 16, 32, 64}, found first on each set of texts, and sorts texts by length.

Sets: 128 and 512 tokens a text, the corpus, and one question of 16 tokens alone. A round measures each system once, in
turn; printed are medians of the rounds, texts a second, and the ratio of ours to each, round by round, with its range.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy

BATCHES = (1, 8, 16, 32, 64)


class Ours:
    def __init__(self, arguments, precision):
        self.process = subprocess.Popen([arguments.program, arguments.model, str(arguments.threads), precision],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def seconds(self, name, texts, batch):
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline().split()[0])


class Batched:
    """A peer that is given batches of texts of similar length."""

    def seconds(self, name, texts, batch):
        start = time.perf_counter()
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        for first in range(0, len(order), batch):
            self.encode([texts[i] for i in order[first:first + batch]])
        return time.perf_counter() - start


class Torch(Batched):
    def __init__(self, arguments, dtype, compiled=False):
        import torch
        from transformers import AutoModel, AutoTokenizer
        torch.set_num_threads(arguments.threads)
        self.torch = torch
        self.tokenizer = AutoTokenizer.from_pretrained(arguments.model)
        self.model = AutoModel.from_pretrained(arguments.model, dtype=dtype).eval()
        if compiled:
            self.model = torch.compile(self.model, dynamic=True)

    def encode(self, texts):
        torch = self.torch
        with torch.inference_mode():
            batch = self.tokenizer(texts, padding=True, truncation=True, max_length=512, return_tensors="pt")
            hidden = self.model(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
            return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1).float().numpy()


class SentenceTransformers(Batched):
    def __init__(self, arguments):
        import torch
        from sentence_transformers import SentenceTransformer
        torch.set_num_threads(arguments.threads)
        self.model = SentenceTransformer(arguments.model, device="cpu")
        self.model.max_seq_length = 512

    def seconds(self, name, texts, batch):  # it sorts by itself
        start = time.perf_counter()
        self.model.encode(texts, batch_size=batch, normalize_embeddings=True, show_progress_bar=False)
        return time.perf_counter() - start

    def encode(self, texts):
        return self.model.encode(texts, normalize_embeddings=True, show_progress_bar=False)


class OnnxRuntime(Batched):
    def __init__(self, arguments, quantized):
        import onnxruntime
        from tokenizers import Tokenizer
        path = arguments.onnx
        if quantized:
            from onnxruntime.quantization import QuantType, quantize_dynamic
            path = str(arguments.work / "int8.onnx")
            quantize_dynamic(arguments.onnx, path, weight_type=QuantType.QInt8, per_channel=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = arguments.threads
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(pathlib.Path(arguments.model) / "tokenizer.json"))
        self.tokenizer.enable_truncation(512)
        self.tokenizer.enable_padding()

    def encode(self, texts):
        encodings = self.tokenizer.encode_batch(texts)
        feed = {"input_ids": numpy.array([e.ids for e in encodings], dtype=numpy.int64),
                "attention_mask": numpy.array([e.attention_mask for e in encodings], dtype=numpy.int64)}
        return self.session.run(["sentence_embedding"], feed)[0]


class LlamaCpp(Batched):
    def __init__(self, arguments, kind):
        import llama_cpp
        path = arguments.work / f"minilm.{kind}.gguf"
        script = pathlib.Path(__file__).with_name("minilm_to_gguf.py")
        subprocess.run([sys.executable, script, arguments.model, path, "--type", kind], check=True)
        self.model = llama_cpp.Llama(str(path), embedding=True, n_ctx=0, n_batch=8192, n_ubatch=8192, verbose=False,
                                     n_threads=arguments.threads, n_threads_batch=arguments.threads)

    def encode(self, texts):
        rows = numpy.array(self.model.embed(texts))
        return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


SYSTEMS = {
    "ours f32": lambda a: Ours(a, "float32"),
    "ours bf16, rounded products": lambda a: Ours(a, "rounded"),
    "ours int8": lambda a: Ours(a, "int8"),
    "torch f32": lambda a: Torch(a, __import__("torch").float32),
    "torch f32 compiled": lambda a: Torch(a, __import__("torch").float32, True),
    "torch bf16": lambda a: Torch(a, __import__("torch").bfloat16),
    "sentence-transformers f32": SentenceTransformers,
    "onnxruntime f32": lambda a: OnnxRuntime(a, False),
    "onnxruntime int8": lambda a: OnnxRuntime(a, True),
    "llama.cpp f32": lambda a: LlamaCpp(a, "f32"),
    "llama.cpp f16": lambda a: LlamaCpp(a, "f16"),
    "llama.cpp q8_0": lambda a: LlamaCpp(a, "q8_0"),
}


def make_sets(arguments):
    """Returns {set: texts}; a word of these is one token, and two special tokens come on top."""
    corpus = [json.loads(line)["text"] for line in open(arguments.corpus) if line.strip()]
    sets = {"128 tokens": [" ".join(["water"] * 126)] * 64, "512 tokens": [" ".join(["water"] * 510)] * 16,
            "corpus": corpus, "one question": [" ".join(["water"] * 14)]}
    for name, texts in sets.items():
        with open(arguments.work / f"{name.replace(' ', '_')}.jsonl", "w") as file:
            file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    return sets


def check(name, system, texts, wanted):
    """Peers must compute what we compute, or their time means nothing."""
    if hasattr(system, "encode"):
        got = numpy.asarray(system.encode(texts[:4]))
        least = float((got * wanted).sum(1).min())
        if least < (0.999 if "f32" in name or "bf16" in name or "f16" in name else 0.98):
            raise SystemExit(f"{name}: cosine with sentence-transformers is {least}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("corpus")
    parser.add_argument("--onnx", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/reasonembed_peers"))
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    sets = make_sets(arguments)
    systems = {}
    for name, make in SYSTEMS.items():
        if arguments.only and not any(part in name for part in arguments.only):
            continue
        try:
            systems[name] = make(arguments)
        except Exception as error:  # a peer that is not there is no reason to measure nothing
            print(f"left out: {name}: {error}", flush=True)
    wanted = SentenceTransformers(arguments).encode(sets["corpus"][:4])
    for name, system in systems.items():
        check(name, system, sets["corpus"], wanted)
    for set_name, texts in sets.items():
        file = arguments.work / f"{set_name.replace(' ', '_')}.jsonl"
        batches = {name: min(BATCHES if len(texts) > 1 and not isinstance(system, Ours) else (1,),
                             key=lambda size, s=system: s.seconds(file, texts, size)) for name, system in systems.items()}
        repeats = 20 if len(texts) == 1 else 1
        rounds = [{name: min(system.seconds(file, texts, batches[name]) for _ in range(repeats))
                   for name, system in systems.items()} for _ in range(arguments.rounds)]
        print(f"\n{set_name}: {len(texts)} texts, {arguments.threads} threads, median of {len(rounds)} rounds")
        for name in systems:
            speed = statistics.median(len(texts) / r[name] for r in rounds)
            line = f"  {name:30s} {speed:9.1f} texts/s, batch {batches[name]:2d}"
            for ours in (n for n in systems if n.startswith("ours") and n != name):
                ratios = sorted(r[name] / r[ours] for r in rounds)
                line += f"; {ours} is {statistics.median(ratios):.2f}x ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            print(line, flush=True)


if __name__ == "__main__":
    main()
