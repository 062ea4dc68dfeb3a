#!/usr/bin/env python3
"""Encodes with a decoder of the sizes of Qwen3-0.6B and random weights, beside PyTorch, in turn and in one run.

usage: compare_decoders.py PROGRAM [--threads 2] [--rounds 5] [--layers 28] [--texts 4] [--tokens 128 512]

PROGRAM is build/release/bin/decoder_rounds. PyTorch runs transformers' Qwen3Model in bfloat16 on the same number of tokens,
as one batch and text by text, and keeps the better; nobody pads, for all texts have the same length. Printed are medians of
the rounds in tokens a second, multiplications and additions a second, and ratios with their range.
"""
import argparse
import statistics
import subprocess
import time

SIZES = {"hidden_size": 1024, "intermediate_size": 3072, "num_attention_heads": 16, "num_key_value_heads": 8,
         "head_dim": 128}


class Ours:
    def __init__(self, arguments, tokens, precision):
        self.process = subprocess.Popen([arguments.program, str(arguments.threads), precision, str(arguments.layers),
                                         str(arguments.texts), str(tokens)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def seconds(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds, tokens = self.process.stdout.readline().split()
        self.tokens = int(tokens)
        return float(seconds)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Torch:
    def __init__(self, arguments, tokens):
        import torch
        from transformers import Qwen3Config, Qwen3Model
        torch.set_num_threads(arguments.threads)
        self.torch = torch
        config = Qwen3Config(vocab_size=258, num_hidden_layers=arguments.layers, rope_theta=1e6, **SIZES)
        self.model = Qwen3Model(config).to(torch.bfloat16).eval()
        self.ids = torch.randint(0, 256, (arguments.texts, tokens))
        self.batches = [self.ids]
        whole = self.seconds()
        self.batches = list(self.ids.split(1))
        if self.seconds() > whole:
            self.batches = [self.ids]

    def seconds(self):
        start = time.perf_counter()
        with self.torch.inference_mode():
            for batch in self.batches:
                hidden = self.model(input_ids=batch, use_cache=False).last_hidden_state[:, -1]
                self.torch.nn.functional.normalize(hidden, dim=-1).float().numpy()
        return time.perf_counter() - start

    def close(self):
        pass


def operations(arguments, tokens):
    """Of a text: products with projections, and those of causal attention, of which half is needed."""
    width, inner, heads, kv, dim = SIZES.values()
    weights = width * dim * (2 * heads + 2 * kv) + 3 * width * inner
    return arguments.layers * (2 * weights * tokens + 2 * tokens * tokens * heads * dim)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--texts", type=int, default=4)
    parser.add_argument("--tokens", type=int, nargs="*", default=[128, 512])
    arguments = parser.parse_args()
    for tokens in arguments.tokens:
        systems = {"ours bf16, rounded products": Ours(arguments, tokens, "rounded"),
                   "ours int8": Ours(arguments, tokens, "int8"), "torch bf16": Torch(arguments, tokens)}
        for system in systems.values():
            system.seconds()
        rounds = [{name: system.seconds() for name, system in systems.items()} for _ in range(arguments.rounds)]
        assert systems["ours int8"].tokens == arguments.texts * tokens
        print(f"\n{arguments.texts} texts of {tokens} tokens, {arguments.layers} layers, {arguments.threads} threads, "
              f"median of {len(rounds)} rounds")
        for name, system in systems.items():
            median = statistics.median(r[name] for r in rounds)
            line = (f"  {name:28s} {arguments.texts * tokens / median:8.0f} tokens/s, "
                    f"{arguments.texts * operations(arguments, tokens) / median / 1e9:6.0f} GOP/s")
            for ours in (n for n in systems if n.startswith("ours") and n != name):
                ratios = sorted(r[name] / r[ours] for r in rounds)
                line += f"; {ours} is {statistics.median(ratios):.2f}x ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            print(line, flush=True)
            system.close()


if __name__ == "__main__":
    main()
