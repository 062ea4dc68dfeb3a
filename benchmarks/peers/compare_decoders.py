#!/usr/bin/env python3
"""Encodes with a decoder of the sizes of Qwen3-0.6B and random weights, beside PyTorch and llama.cpp, in turn and in one run.

PROGRAM is build/release/bin/decoder_rounds, which first writes the weights in the layout of Hugging Face; PyTorch runs
transformers' Qwen3Model on them in bfloat16, llama.cpp its embedding path on the same in a GGUF file (qwen3_to_gguf.py), in
bfloat16 and in eight bits. All get the same token ids and pool the last token; the cosine of each with transformers in
float32 is checked before anything is measured. Nobody pads, for all texts of a set have the same length.

Every peer has its best setting for each length, found before: one text or all at once; PyTorch all threads in an operator or
one in each of as many workers (--no-workers leaves these out); llama.cpp flash attention or not, micro-batches of 512 or
2,048 tokens. Printed are medians of the rounds, in tokens a second and operations a second, the share of the peak of the
type in the same round, and ratios with their range.
"""
import argparse
import concurrent.futures
import ctypes
import pathlib
import statistics
import subprocess
import sys
import time

import numpy

import compare_encoders as encoders

WIDTH, INNER, HEADS, KV_HEADS, HEAD_DIM = 1024, 3072, 16, 8, 128


class Torch:
    """A setting is (texts at once, threads, workers)."""

    def __init__(self, arguments, dtype="bfloat16"):
        import torch
        from transformers import Qwen3Model
        self.torch = torch
        self.model = Qwen3Model.from_pretrained(arguments.model, dtype=getattr(torch, dtype)).eval()

    def settings(self, arguments, count):
        ways = [(arguments.threads, 1)]
        if arguments.threads > 1 and count > 1 and arguments.workers:
            ways.append((1, arguments.threads))
        return [(at_once, *way) for way in ways for at_once in sorted({1, count // way[1] or 1})]

    def forward(self, ids, threads):
        torch = self.torch
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        with torch.inference_mode():
            hidden = self.model(input_ids=torch.from_numpy(ids), use_cache=False).last_hidden_state[:, -1]
            return torch.nn.functional.normalize(hidden.float(), dim=-1).numpy()

    def run(self, ids, setting):
        at_once, threads, workers = setting
        batches = [ids[first:first + at_once] for first in range(0, len(ids), at_once)]
        if workers == 1:
            return numpy.concatenate([self.forward(batch, threads) for batch in batches])
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            return numpy.concatenate(list(pool.map(lambda batch: self.forward(batch, threads), batches)))


class LlamaCpp:
    """A setting is (texts at once, flash attention, tokens of a micro-batch)."""

    def __init__(self, arguments, kind):
        import llama_cpp
        self.library, self.threads = llama_cpp, arguments.threads
        path = arguments.work / f"decoder.{kind}.gguf"
        script = pathlib.Path(__file__).with_name("qwen3_to_gguf.py")
        subprocess.run([sys.executable, script, arguments.model, path, "--type", kind], check=True)
        self.silence = llama_cpp.llama_log_callback(lambda level, text, data: None)  # kept, for C keeps a pointer to it
        llama_cpp.llama_log_set(self.silence, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            raise RuntimeError(f"{path}: llama.cpp can not load it")
        self.setting = self.context = self.batch = None

    def settings(self, arguments, count):
        return [(at_once, flash, tokens) for at_once in sorted({1, count}) for flash in (False, True)
                for tokens in (512, 2048)]

    def use(self, setting, texts, tokens):
        if (setting, tokens) == self.setting:
            return
        self.close()
        library, (at_once, flash, micro) = self.library, setting
        parameters = library.llama_context_default_params()
        parameters.n_ctx = max(at_once * tokens, micro)
        parameters.n_batch = parameters.n_ctx
        parameters.n_ubatch = max(micro, tokens)  # a text of a pooled model is not cut
        parameters.n_seq_max = at_once
        parameters.kv_unified = True
        parameters.embeddings = True
        parameters.pooling_type = library.LLAMA_POOLING_TYPE_LAST
        parameters.flash_attn_type = (library.LLAMA_FLASH_ATTN_TYPE_ENABLED if flash
                                      else library.LLAMA_FLASH_ATTN_TYPE_DISABLED)
        parameters.n_threads = parameters.n_threads_batch = self.threads
        self.context = library.llama_init_from_model(self.model, parameters)
        self.batch = library.llama_batch_init(at_once * tokens, 0, 1)
        self.setting = (setting, tokens)

    def run(self, ids, setting):
        library, at_once = self.library, setting[0]
        self.use(setting, *ids.shape)
        rows = []
        for first in range(0, len(ids), at_once):
            part = ids[first:first + at_once]
            library.llama_memory_clear(library.llama_get_memory(self.context), True)
            self.batch.n_tokens = part.size
            for i, token in enumerate(part.ravel().tolist()):
                self.batch.token[i] = token
                self.batch.pos[i] = i % part.shape[1]
                self.batch.n_seq_id[i] = 1
                self.batch.seq_id[i][0] = i // part.shape[1]
                self.batch.logits[i] = 1
            if library.llama_decode(self.context, self.batch) != 0:
                raise RuntimeError("llama_decode failed")
            for text in range(len(part)):
                vector = library.llama_get_embeddings_seq(self.context, text)
                rows.append(numpy.ctypeslib.as_array(vector, (WIDTH,)).copy())
        rows = numpy.stack(rows)
        return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)

    def close(self):
        if self.context:
            self.library.llama_batch_free(self.batch)
            self.library.llama_free(self.context)
            self.context = None


SYSTEMS = {
    "ours bf16, rounded products": lambda a: encoders.Ours(a.program, a.model, a.threads, "rounded"),
    "ours int8": lambda a: encoders.Ours(a.program, a.model, a.threads, "int8"),
    "torch bf16": Torch,
    "llama.cpp bf16": lambda a: LlamaCpp(a, "bf16"),
    "llama.cpp q8_0": lambda a: LlamaCpp(a, "q8_0"),
}


def words_of(system, setting):
    if setting is None:
        return ""
    if isinstance(system, LlamaCpp):
        return f"{setting[0]} at once, flash attention {'on' if setting[1] else 'off'}, micro-batches of {setting[2]}"
    return f"{setting[0]} at once, threads {setting[1]}" + (f" in each of {setting[2]} workers" if setting[2] > 1 else "")


def operations(layers, tokens):
    """Of a text: products with projections, and those of causal attention, of which half is needed."""
    weights = WIDTH * HEAD_DIM * (2 * HEADS + 2 * KV_HEADS) + 3 * WIDTH * INNER
    return layers * (2 * weights * tokens + 2 * tokens * tokens * HEADS * HEAD_DIM)


def make_texts(tokenizer, count, tokens):
    """Texts of so many bytes that with the special tokens they have the length, no two the same."""
    length = tokens - len(tokenizer.encode("").ids)
    return [(f"{i} " + "water is wet, and dust is dry. " * (length // 30 + 1))[:length] for i in range(count)]


def seconds_of(system, file, ids, setting):
    if isinstance(system, encoders.Ours):
        return system.seconds(file, None, None)
    start = time.perf_counter()
    system.run(ids, setting)
    return time.perf_counter() - start


def check(systems, arguments, tokenizer):
    """All must compute the same, or their time means nothing."""
    texts = make_texts(tokenizer, 2, 48)
    file = encoders.write_texts(arguments.work / "check.jsonl", texts)
    ids = numpy.array([tokenizer.encode(text).ids for text in texts])
    wanted = Torch(arguments, "float32").run(ids, (1, arguments.threads, 1))
    for name, system in systems.items():
        if isinstance(system, encoders.Ours):
            got = system.vectors(file, len(texts))
        else:
            got = system.run(ids, system.settings(arguments, len(texts))[-1])
        least = float((got * wanted).sum(1).min())
        print(f"{name}: cosine with transformers in float32 at least {least:.5f}", flush=True)
        if not least > (0.99 if encoders.type_of(name) == "bf16" else 0.95):
            raise SystemExit(f"{name}: cosine with transformers is {least}")


def measure(tokens, systems, arguments, tokenizer):
    """Returns {system: the cell of the table}."""
    texts = make_texts(tokenizer, arguments.texts, tokens)
    file = encoders.write_texts(arguments.work / f"decoder_{tokens}.jsonl", texts)
    ids = numpy.array([tokenizer.encode(text).ids for text in texts])
    assert ids.shape == (arguments.texts, tokens)
    best = {}
    for name, system in systems.items():
        settings = [None] if isinstance(system, encoders.Ours) else system.settings(arguments, len(texts))
        times = {}
        for setting in settings:
            times[setting] = min(seconds_of(system, file, ids, setting) for _ in range(2))
        best[name] = min(times, key=times.get)
    rounds, peaks = [], []
    for _ in range(arguments.rounds):
        rounds.append({name: seconds_of(system, file, ids, best[name]) for name, system in systems.items()})
        peaks.append({encoders.type_of(name): system.peak() for name, system in systems.items()
                      if isinstance(system, encoders.Ours)})
    print(f"\n{arguments.texts} texts of {tokens} tokens, {arguments.layers} layers, {arguments.threads} threads, "
          f"medians of {len(rounds)} rounds")
    work = arguments.texts * operations(arguments.layers, tokens)
    cells = {}
    for name, system in systems.items():
        median = statistics.median(r[name] for r in rounds)
        type_ = encoders.type_of(name)
        cell = f"{ids.size / median:.0f}"
        line = f"  {name:28s} {ids.size / median:8.0f} tokens/s, {work / median / 1e9:6.0f} GOP/s"
        if type_ in peaks[0]:
            share = statistics.median(work / r[name] / p[type_] for r, p in zip(rounds, peaks))
            line += f", {100 * share:3.0f}% of the {type_} peak"
            cell += f" ({100 * share:.0f}%)"
        for ours in (n for n in systems if n.startswith("ours") and n != name):
            ratios = sorted(r[name] / r[ours] for r in rounds)
            line += f"; {ours.split(',')[0]} is {statistics.median(ratios):.2f}x ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            cell += f"; {ours.split(',')[0]} is {statistics.median(ratios):.2f}x"
        print(line + (f"  [{words_of(system, best[name])}]" if best[name] else ""), flush=True)
        cells[name] = cell
    return cells


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="build/release/bin/decoder_rounds")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--texts", type=int, default=4)
    parser.add_argument("--tokens", type=int, nargs="*", default=[128, 512])
    parser.add_argument("--only", nargs="*", default=[], help="systems whose names hold one of these")
    parser.add_argument("--no-workers", dest="workers", action="store_false",
                        help="peers use the threads of their operators alone")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/reasonembed_peers"))
    arguments = parser.parse_args()
    encoders.prepare(arguments)
    print(encoders.versions())
    from tokenizers import Tokenizer
    arguments.model = arguments.work / f"decoder_{arguments.layers}_layers"
    if not (arguments.model / "model.safetensors").exists():
        subprocess.run([arguments.program, "save", arguments.model, str(arguments.layers)], check=True)
    tokenizer = Tokenizer.from_file(str(arguments.model / "tokenizer.json"))
    systems = {}
    for name, make in SYSTEMS.items():
        if arguments.only and not any(part in name for part in arguments.only):
            continue
        try:
            systems[name] = make(arguments)
        except Exception as error:  # a peer that is not there is no reason to measure nothing
            print(f"left out: {name}: {str(error)[:200]}", flush=True)
    check(systems, arguments, tokenizer)
    table = {tokens: measure(tokens, systems, arguments, tokenizer) for tokens in arguments.tokens}
    print("\n| tokens/s (% of the type's peak) | " + " | ".join(f"{tokens} tokens a text" for tokens in table) + " |")
    print("|---" * (len(table) + 1) + "|")
    for name in systems:
        print(f"| {name} | " + " | ".join(cells[name] for cells in table.values()) + " |")
    for system in systems.values():
        if hasattr(system, "close"):
            system.close()


if __name__ == "__main__":
    main()
