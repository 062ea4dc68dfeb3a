#!/usr/bin/env python3
"""Holds a training step against PyTorch: MiniLM-L6's shape, the same lengths, loss, optimiser and threads, in one run.

usage: compare_training.py BENCHMARK [--threads 2] [--rounds 5] [--compile]

BENCHMARK is build/release/bin/training_benchmark. Needs torch and transformers in the Python that runs this. A step of
theirs is forward in training mode, InfoNCE with tau 0.02, backward, clipping to 1 and AdamW (foreach), in f32, as ours;
mixed lengths are padded to the longest of queries and of documents, as a data collator does. Each round measures ours
and theirs; the ratio is taken round by round, so that a machine whose speed drifts does not decide.
"""
import argparse
import json
import random
import statistics
import subprocess
import time

CASES = {'equal': 'train_equal_lengths/threads:{}/keep:1/', 'mixed': 'train_mixed_lengths/threads:{}/'}


def ours(arguments, case):
    command = [arguments.benchmark, f'--benchmark_filter={CASES[case].format(arguments.threads)}',
               '--benchmark_format=json', '--benchmark_min_time=2']
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)['benchmarks'][0]


def lengths_of(case):
    """Those of the benchmark: 128 each, or as mixed (the distribution is the same, its draws are not)."""
    if case == 'equal':
        return [128] * 32
    chance = random.Random(1)
    return [2 + chance.randrange(1 + chance.randrange(254)) for _ in range(64)]


class Peer:
    def __init__(self, arguments):
        import torch
        import transformers
        self.torch = torch
        torch.set_num_threads(arguments.threads)
        torch.manual_seed(1)
        config = transformers.BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
                                         intermediate_size=1536)
        self.model = transformers.BertModel(config, add_pooling_layer=False).train()
        self.encode = torch.compile(self.model) if arguments.compile else self.model
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, weight_decay=0.0, foreach=True)
        self.versions = f'torch {torch.__version__}, transformers {transformers.__version__}'

    def embed(self, lengths):
        torch = self.torch
        mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
        ids = torch.randint(1000, 30000, mask.shape) * mask
        hidden = self.encode(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return torch.nn.functional.normalize(pooled, dim=-1)

    def step(self, lengths):
        torch = self.torch
        self.optimizer.zero_grad()
        queries, documents = self.embed(lengths[::2]), self.embed(lengths[1::2])
        loss = torch.nn.functional.cross_entropy(queries @ documents.T / 0.02, torch.arange(len(queries)))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()

    def tokens_per_second(self, lengths, seconds=4.0):
        self.step(lengths)
        start, steps = time.perf_counter(), 0
        while steps < 2 or time.perf_counter() - start < seconds:
            self.step(lengths)
            steps += 1
        return steps * sum(lengths) / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('benchmark')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--compile', action='store_true', help='torch.compile their model')
    arguments = parser.parse_args()
    peer = Peer(arguments)
    print(f'{arguments.threads} thread(s), {peer.versions}{", compiled" if arguments.compile else ""}')
    for case in CASES:
        lengths = lengths_of(case)
        rounds = [(ours(arguments, case)['tokens/s'], peer.tokens_per_second(lengths)) for _ in range(arguments.rounds)]
        ratios = [a / b for a, b in rounds]
        print(f'{case}: ours {statistics.median(a for a, _ in rounds):.0f} tokens/s, theirs '
              f'{statistics.median(b for _, b in rounds):.0f}, ratio {statistics.median(ratios):.2f} '
              f'(from {min(ratios):.2f} to {max(ratios):.2f})', flush=True)


if __name__ == '__main__':
    main()
