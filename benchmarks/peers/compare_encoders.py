#!/usr/bin/env python3
"""Encodes the same texts with ReasonEmbed and its peers, in turn, in one run, on the same number of threads.

PROGRAM is build/release/bin/encode_rounds, MODEL_DIR all-MiniLM-L6-v2, CORPUS_JSONL a file of JSON Lines with `text`.
benchmarks/peers/make_peers.sh makes an environment with all peers; those that are not there are named and left out. The
cosine of every system with sentence-transformers is checked before anything is measured.

Sets of texts: 128 and 512 tokens a text, the corpus, one question of 16 tokens alone, and one for each --texts: a name
and files of JSON Lines with `text` or `query`, gzipped or not, of which every so-manieth text is taken up to --most.

Every peer has its best setting on each set, found before: batches of 1 to 64 texts, sorted by their number of tokens;
all threads in each operator, or one thread each in as many workers that take batches from one queue (--no-workers leaves
these out), or one thread alone; ONNX Runtime the model that `reasonembed export` writes and, with --fused, one that its own
optimizer has fused; llama.cpp flash attention or not, and micro-batches of 512 or 2,048 tokens. A round measures each system
once, in turn. Printed are medians of the rounds, and ratios round by round.
"""
import argparse
import concurrent.futures
import contextlib
import gzip
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

import numpy

BATCHES = (1, 8, 16, 32, 64)
LAYERS, WIDTH, INNER = 6, 384, 1536
PRECISION = {"ours f32": "float32", "ours bf16, rounded products": "rounded", "ours int8": "int8"}


def batches_of(count):
    return BATCHES if count > 1 else (1,)


def type_of(name):
    """Systems of one type are held against each other."""
    return "int8" if "int8" in name or "q8_0" in name else "bf16" if "bf16" in name or "f16" in name else "f32"


class Ours:
    """A program that answers line by line, see rounds.hpp."""

    def __init__(self, program, model, threads, precision):
        self.process = subprocess.Popen([program, str(model), str(threads), precision],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            raise RuntimeError(f"{self.process.args}: no answer to {line}")
        return answer

    def settings(self, arguments, count):
        return [None]

    def seconds(self, file, texts, setting):
        return float(self.ask(file)[0])

    def peak(self):
        return float(self.ask("peak")[0])

    def vectors(self, file, count):
        out = f"{file}.vectors"
        self.ask(f"vectors {file} {out}")
        return numpy.fromfile(out, dtype=numpy.float32).reshape(count, -1)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Batched:
    """A peer that is given batches of texts of similar length. A setting is (batch, threads, workers)."""

    def settings(self, arguments, count):
        ways = [(arguments.threads, 1)]
        if arguments.threads > 1:
            ways.append((1, 1))
            if arguments.workers and count > 1:
                ways.append((1, arguments.threads))
        return [(batch, threads, workers) for threads, workers in ways for batch in batches_of(count)]

    def read_tokenizer(self, arguments):
        from tokenizers import Tokenizer
        self.tokenizer = Tokenizer.from_file(str(pathlib.Path(arguments.model) / "tokenizer.json"))
        self.tokenizer.enable_truncation(512)
        self.tokenizer.no_padding()

    def batches(self, texts, size):
        """Yields ids and masks, longest texts first."""
        ids = sorted((encoding.ids for encoding in self.tokenizer.encode_batch(texts)), key=lambda row: -len(row))
        for first in range(0, len(ids), size):
            rows = ids[first:first + size]
            batch = numpy.zeros((len(rows), len(rows[0])), dtype=numpy.int64)
            mask = numpy.zeros_like(batch)
            for i, row in enumerate(rows):
                batch[i, :len(row)] = row
                mask[i, :len(row)] = 1
            yield batch, mask

    def seconds(self, file, texts, setting):
        size, threads, workers = setting
        self.use(threads, workers)
        start = time.perf_counter()
        if workers == 1:
            for batch in self.batches(texts, size):
                self.forward(*batch)
        else:
            with concurrent.futures.ThreadPoolExecutor(workers) as pool:
                for done in [pool.submit(self.forward, *batch) for batch in self.batches(texts, size)]:
                    done.result()
        return time.perf_counter() - start

    def vectors(self, texts):
        """In the order of texts, which are padded to one batch: what padding would spoil shows."""
        self.use(1, 1)
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        rows = numpy.concatenate([self.forward(*batch) for batch in self.batches(texts, len(texts))])
        out = numpy.empty_like(rows)
        out[order] = rows
        return out


class Torch(Batched):
    def __init__(self, arguments, dtype, compiled=False):
        import torch
        from transformers import AutoModel
        self.torch = torch
        self.threads = 0
        self.read_tokenizer(arguments)
        self.model = AutoModel.from_pretrained(arguments.model, dtype=getattr(torch, dtype)).eval()
        if compiled:
            self.model = torch.compile(self.model, dynamic=True)

    def use(self, threads, workers):
        if threads != self.threads:
            self.torch.set_num_threads(threads)
            self.threads = threads

    def forward(self, ids, mask):
        torch = self.torch
        if torch.get_num_threads() != self.threads:  # OpenMP counts for each thread
            torch.set_num_threads(self.threads)
        with torch.inference_mode():
            mask = torch.from_numpy(mask)
            hidden = self.model(input_ids=torch.from_numpy(ids), attention_mask=mask).last_hidden_state.float()
            mask = mask.unsqueeze(-1).float()
            return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1).numpy()


class CompiledTorch(Torch):
    def settings(self, arguments, count):  # a compiled graph is for one number of threads
        return [(batch, arguments.threads, 1) for batch in batches_of(count)]


class SentenceTransformers:
    def __init__(self, arguments):
        import torch
        from sentence_transformers import SentenceTransformer
        torch.set_num_threads(arguments.threads)
        self.torch = torch
        self.model = SentenceTransformer(arguments.model, device="cpu")
        self.model.max_seq_length = 512

    def settings(self, arguments, count):
        return [(batch, arguments.threads, 1) for batch in batches_of(count)]

    def seconds(self, file, texts, setting):  # it sorts by itself
        self.torch.set_num_threads(setting[1])
        start = time.perf_counter()
        self.model.encode(texts, batch_size=setting[0], normalize_embeddings=True, show_progress_bar=False)
        return time.perf_counter() - start

    def vectors(self, texts):
        return self.model.encode(texts, normalize_embeddings=True, show_progress_bar=False)


@contextlib.contextmanager
def quiet():
    """Nothing on the terminal, from C++ neither: an exporter prints whole tables in its warnings."""
    sys.stdout.flush()
    kept = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stdout.flush()
        for number, stream in zip(kept, (1, 2)):
            os.dup2(number, stream)
            os.close(number)
        os.close(nowhere)


def fused_model(arguments):
    """The model as PyTorch exports it and ONNX Runtime's optimizer fuses it: attention, GELU and norms as one operator."""
    import torch
    from onnxruntime.transformers import optimizer
    from transformers import AutoModel
    path = arguments.work / "fused.onnx"

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = AutoModel.from_pretrained(arguments.model, attn_implementation="eager").eval()

        def forward(self, input_ids, attention_mask):
            return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    names = ["input_ids", "attention_mask"]
    ids = torch.ones(2, 8, dtype=torch.long)
    raw = str(arguments.work / "torch.onnx")
    with quiet():
        torch.onnx.export(Hidden(), (ids, torch.ones_like(ids)), raw, input_names=names, output_names=["hidden"],
                          dynamic_axes={name: {0: "texts", 1: "tokens"} for name in names + ["hidden"]},
                          opset_version=17, dynamo=False)
        optimizer.optimize_model(raw, model_type="bert", num_heads=12, hidden_size=WIDTH).save_model_to_file(str(path))
    return str(path)


class OnnxRuntime(Batched):
    def __init__(self, arguments, quantized, fused=False):
        import onnx
        import onnxruntime
        path = fused_model(arguments) if fused else arguments.onnx
        if path is None:
            raise RuntimeError("no --onnx")
        if quantized:
            from onnxruntime.quantization import QuantType, quantize_dynamic
            own = arguments.work / "to_quantize.onnx"  # it writes beside its input
            shutil.copyfile(path, own)
            target = str(arguments.work / f"int8{'.fused' if fused else ''}.onnx")
            quantize_dynamic(own, target, weight_type=QuantType.QInt8, per_channel=True,
                             extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})  # fused operators have no shapes
            path = target
        self.sessions = {}
        for threads in {1, arguments.threads}:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            self.sessions[threads] = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.output = "hidden" if fused else "sentence_embedding"
        self.read_tokenizer(arguments)

    def use(self, threads, workers):
        self.session = self.sessions[threads]

    def forward(self, ids, mask):
        rows = self.session.run([self.output], {"input_ids": ids, "attention_mask": mask})[0]
        if self.output == "hidden":
            mask = mask[:, :, None].astype(numpy.float32)
            rows = (rows * mask).sum(1)  # dividing by the count would change nothing below
            rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
        return rows


class LlamaCpp:
    """A setting is (flash attention, tokens of a micro-batch, threads)."""

    def __init__(self, arguments, kind):
        import llama_cpp
        self.path = arguments.work / f"minilm.{kind}.gguf"
        script = pathlib.Path(__file__).with_name("minilm_to_gguf.py")
        subprocess.run([sys.executable, script, arguments.model, self.path, "--type", kind], check=True)
        self.make = llama_cpp.Llama
        self.models = {}

    def settings(self, arguments, count):
        return [(flash, tokens, threads) for flash in (False, True) for tokens in (512, 2048)
                for threads in sorted({1, arguments.threads}, reverse=True)]

    def model(self, setting):
        if setting not in self.models:
            flash, tokens, threads = setting
            with quiet():  # it warns of contexts longer than a text may be
                self.models[setting] = self.make(str(self.path), embedding=True, n_ctx=tokens, n_batch=tokens,
                                                 n_ubatch=tokens, flash_attn=flash, n_threads=threads,
                                                 n_threads_batch=threads, verbose=False)
        return self.models[setting]

    def seconds(self, file, texts, setting):
        model = self.model(setting)
        start = time.perf_counter()
        model.embed(sorted(texts, key=len))
        return time.perf_counter() - start

    def keep(self, setting):
        """Frees what other settings hold."""
        self.models = {setting: self.model(setting)}

    def vectors(self, texts):
        rows = numpy.array(self.model((False, 512, 1)).embed(texts))
        return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


SYSTEMS = {
    "ours f32": lambda a: Ours(a.program, a.model, a.threads, "float32"),
    "ours bf16, rounded products": lambda a: Ours(a.program, a.model, a.threads, "rounded"),
    "ours int8": lambda a: Ours(a.program, a.model, a.threads, "int8"),
    "torch f32": lambda a: Torch(a, "float32"),
    "torch f32 compiled": lambda a: CompiledTorch(a, "float32", True),
    "torch bf16": lambda a: Torch(a, "bfloat16"),
    "sentence-transformers f32": SentenceTransformers,
    "onnxruntime f32": lambda a: OnnxRuntime(a, False),
    "onnxruntime int8": lambda a: OnnxRuntime(a, True),
    "onnxruntime f32 fused": lambda a: OnnxRuntime(a, False, True),
    "onnxruntime int8 fused": lambda a: OnnxRuntime(a, True, True),
    "llama.cpp f32": lambda a: LlamaCpp(a, "f32"),
    "llama.cpp f16": lambda a: LlamaCpp(a, "f16"),
    "llama.cpp q8_0": lambda a: LlamaCpp(a, "q8_0"),
}


def read_texts(path):
    """JSON Lines with `text`, or `query` as BRIGHT's examples have it."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()]
    return [row["text"] if "text" in row else row["query"] for row in rows]


def write_texts(path, texts):
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return str(path)


def thinned(texts, most):
    """Every so-manieth: the mix of lengths stays."""
    return texts[::max(1, -(-len(texts) // most))] if most > 0 else texts


def make_sets(arguments):
    """Returns {set: texts}; a word of the first is one token, and two special tokens come on top."""
    sets = {"128 tokens": [" ".join(["water"] * 126)] * 64, "512 tokens": [" ".join(["water"] * 510)] * 16}
    if arguments.corpus:
        sets["corpus"] = read_texts(pathlib.Path(arguments.corpus))
    for name, *files in arguments.texts:
        texts = [text for file in files for text in read_texts(pathlib.Path(file))]
        sets[name] = thinned(texts, arguments.most)
    sets["one question"] = [" ".join(["water"] * 14)]
    if arguments.sets:
        sets = {name: texts for name, texts in sets.items() if name in arguments.sets}
    return sets


def count_tokens(arguments, texts):
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(pathlib.Path(arguments.model) / "tokenizer.json"))
    tokenizer.enable_truncation(512)
    tokenizer.no_padding()
    return [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]


def operations(lengths):
    """Multiplications and additions of real tokens: projections, and both products of attention."""
    weights = LAYERS * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER)
    return sum(2 * weights * n + 4 * LAYERS * WIDTH * n * n for n in lengths)


def check(systems, arguments, texts):
    """All must compute the same, or their time means nothing."""
    wanted = SentenceTransformers(arguments).vectors(texts)
    file = write_texts(arguments.work / "check.jsonl", texts)
    for name, system in list(systems.items()):
        got = system.vectors(file, len(texts)) if isinstance(system, Ours) else numpy.asarray(system.vectors(texts))
        least = float((got * wanted).sum(1).min())
        print(f"{name}: cosine with sentence-transformers at least {least:.5f} on {len(texts)} texts", flush=True)
        if not least > {"f32": 0.9999, "bf16": 0.995, "int8": 0.97}[type_of(name)]:
            raise SystemExit(f"{name}: cosine with sentence-transformers is {least}")


def make_systems(arguments, names):
    systems = {}
    for name in names:
        try:
            systems[name] = SYSTEMS[name](arguments)
        except Exception as error:  # a peer that is not there is no reason to measure nothing
            print(f"left out: {name}: {str(error)[:200]}", flush=True)
    return systems


def chosen_names(arguments):
    return [name for name in SYSTEMS if (arguments.fused or "fused" not in name)
            and (not arguments.only or any(part in name for part in arguments.only))]


def best_settings(systems, arguments, file, texts):
    """The quickest of two tries of each setting, on some of the texts where there are many."""
    some = thinned(texts, 128)
    best = {}
    for name, system in systems.items():
        settings = system.settings(arguments, len(texts))
        if len(settings) > 1:
            tries = 10 if len(texts) == 1 else 2
            best[name] = min(settings, key=lambda s: min(system.seconds(file, some, s) for _ in range(tries)))
        else:
            best[name] = settings[0]
        if hasattr(system, "keep"):
            system.keep(best[name])
    return best


def words_of(system, setting):
    """A setting as it is printed."""
    if setting is None:
        return ""
    if isinstance(system, LlamaCpp):
        return f"micro-batches of {setting[1]} tokens, flash attention {'on' if setting[0] else 'off'}, threads {setting[2]}"
    return f"batch {setting[0]}, threads {setting[1]}" + (f" in each of {setting[2]} workers" if setting[2] > 1 else "")


def versions():
    found = [f"Python {platform.python_version()}"]
    for module in ("torch", "transformers", "sentence_transformers", "onnxruntime", "llama_cpp"):
        try:
            found.append(f"{module} {__import__(module).__version__}")
        except Exception:
            pass
    try:
        import llama_cpp
        found.append("llama.cpp's build: " + llama_cpp.llama_print_system_info().decode().strip())
    except Exception:
        pass
    return ", ".join(found)


def measure(set_name, systems, arguments, texts):
    """Returns {system: (texts/s, {ours: ratio}, share of the peak)}; prints a line for each."""
    file = write_texts(arguments.work / f"{set_name.replace(' ', '_')}.jsonl", texts)
    best = best_settings(systems, arguments, file, texts)
    repeats = 20 if len(texts) == 1 else 1
    rounds, peaks = [], []
    for _ in range(arguments.rounds):
        rounds.append({name: min(system.seconds(file, texts, best[name]) for _ in range(repeats))
                       for name, system in systems.items()})
        peaks.append({type_of(name): system.peak() for name, system in systems.items() if isinstance(system, Ours)})
    lengths = count_tokens(arguments, texts)
    print(f"\n{set_name}: {len(texts)} texts, {min(lengths)} to {max(lengths)} tokens, {sum(lengths) / len(lengths):.1f} on "
          f"average, {arguments.threads} threads, medians of {len(rounds)} rounds")
    found = {}
    for name, system in systems.items():
        speed = statistics.median(len(texts) / r[name] for r in rounds)
        type_ = type_of(name)
        share = statistics.median(operations(lengths) / r[name] / p[type_] for r, p in zip(rounds, peaks)) \
            if type_ in peaks[0] else None
        line = f"  {name:28s} {speed:9.1f} texts/s, {sum(lengths) / len(texts) * speed:8.0f} tokens/s"
        line += f", {100 * share:3.0f}% of the {type_} peak" if share else ""
        ratios = {}
        for ours in (n for n in systems if isinstance(systems[n], Ours) and n != name):
            each = sorted(r[name] / r[ours] for r in rounds)
            ratios[ours] = statistics.median(each)
            if not isinstance(system, Ours):
                line += f"; {ours.split(',')[0]} is {ratios[ours]:.2f}x ({each[0]:.2f} to {each[-1]:.2f})"
        print(line + (f"  [{words_of(system, best[name])}]" if best[name] else ""), flush=True)
        found[name] = (speed, ratios, share)
    return found


def print_markdown(table, systems):
    """texts/s with ours over it, the share of the peak, and the best peer of each type."""
    ours = [name for name in systems if isinstance(systems[name], Ours)]
    legend = " / ".join(name.split(",")[0].removeprefix("ours ") for name in ours)
    over = f"ours {legend} over it; " if ours else ""
    print(f"\n| texts/s ({over}% of the type's peak) | " + " | ".join(table) + " |")
    print("|---" * (len(table) + 1) + "|")
    for name in systems:
        cells = []
        for found in table.values():
            speed, ratios, share = found[name]
            notes = [] if name in ours or not ours else [" / ".join(f"{ratios[o]:.2f}" for o in ours)]
            notes += [f"{100 * share:.0f}%"] if share else []
            cells.append(f"{speed:.1f}" + (f" ({'; '.join(notes)})" if notes else ""))
        print(f"| {name} | " + " | ".join(cells) + " |")
    for one in ours:
        peers = [name for name in systems if name not in ours and type_of(name) == type_of(one)]
        if peers:
            least = [min((found[name][1][one], name) for name in peers) for found in table.values()]
            print(f"| {one} over the best peer in {type_of(one)} | "
                  + " | ".join(f"**{ratio:.2f}** ({name})" for ratio, name in least) + " |")


def add_options(parser):
    """What the scripts beside this one take too."""
    parser.add_argument("program", help="build/release/bin/encode_rounds")
    parser.add_argument("model", help="directory of all-MiniLM-L6-v2")
    parser.add_argument("--onnx", help="what `reasonembed export` writes of the model")
    parser.add_argument("--fused", action="store_true", help="also the model that ONNX Runtime's own optimizer fuses")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[], help="systems whose names hold one of these")
    parser.add_argument("--no-workers", dest="workers", action="store_false",
                        help="peers use the threads of their operators alone")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/reasonembed_peers"))


def prepare(arguments):
    arguments.work.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("corpus", nargs="?", help="JSON Lines with `text`")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--texts", nargs="+", action="append", default=[], metavar="NAME FILE",
                        help="another set: its name and its files; may be given again")
    parser.add_argument("--most", type=int, default=500, help="texts of such a set; 0 takes all")
    parser.add_argument("--sets", nargs="*", default=[], help="only the sets of these names")
    arguments = parser.parse_args()
    prepare(arguments)
    print(versions())
    sets = make_sets(arguments)
    systems = make_systems(arguments, chosen_names(arguments))
    varied = max(sets.values(), key=lambda texts: len(set(texts)))
    check(systems, arguments, thinned(varied, 8)[:8] if len(varied) > 8 else varied)
    table = {name: measure(name, systems, arguments, texts) for name, texts in sets.items()}
    print_markdown(table, systems)
    for system in systems.values():
        if isinstance(system, Ours):
            system.close()


if __name__ == "__main__":
    main()
