#!/usr/bin/env python3
"""Holds training steps against PyTorch: the same shapes, lengths, loss, optimiser and threads, in one run.

usage: compare_training.py BENCHMARK [--threads 2] [--rounds 7] [--only CASE...] [--compile]

BENCHMARK is build/release/bin/training_benchmark. Needs torch and transformers (peft for the adapter) in the Python
that runs this. A step of theirs is forward in training mode, InfoNCE with tau 0.02, backward, clipping to 1 and AdamW
(foreach), as ours; mixed lengths are padded to the longest of queries and of documents, as a data collator does. In
bf16 their better of autocast over weights in float and of weights in bfloat16 counts. Their allocator keeps what it has
once had (glibc's settings, huge pages): as installed, PyTorch spends much of a step on page faults. Each round measures
ours and theirs in turn; the ratio is taken round by round, so that a machine whose speed drifts does not decide.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time

# case: benchmark of ours, model of theirs, their ways to compute
CASES = {
    'minilm f32': ('train_equal_lengths<Float>/threads:{}/keep:1/', 'minilm', ['f32']),
    'minilm bf16': ('train_equal_lengths<Rounded>/threads:{}/keep:1/', 'minilm', ['autocast', 'bf16']),
    'mixed f32': ('train_mixed_lengths<Float>/threads:{}/', 'minilm', ['f32']),
    'mixed bf16': ('train_mixed_lengths<Rounded>/threads:{}/', 'minilm', ['autocast', 'bf16']),
    'qwen3 bf16': ('train_qwen3<Rounded>/threads:{}/', 'qwen3', ['autocast', 'bf16']),
    'qwen3 adapter bf16': ('train_qwen3_adapter<Frozen>/threads:{}/', 'qwen3 adapter', ['autocast', 'bf16']),
}
ALLOCATOR = {'MALLOC_MMAP_THRESHOLD_': str(1 << 34), 'MALLOC_TRIM_THRESHOLD_': str(1 << 36),
             'MALLOC_TOP_PAD_': str(1 << 28), 'GLIBC_TUNABLES': 'glibc.malloc.hugetlb=1'}


def ours(arguments, name):
    environment = {key: value for key, value in os.environ.items() if key not in ALLOCATOR}
    command = [arguments.benchmark, f'--benchmark_filter=^{name.format(arguments.threads)}',
               '--benchmark_format=json', '--benchmark_min_time=3']
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    return json.loads(output)['benchmarks'][0]['tokens/s']


def lengths_of(case):
    """Those of the benchmark: 128 each, or as mixed (the distribution is the same, its draws are not)."""
    if not case.startswith('mixed'):
        return [128] * 32
    chance = random.Random(1)
    return [2 + chance.randrange(1 + chance.randrange(254)) for _ in range(64)]


def make_model(name):
    import transformers
    if name == 'minilm':
        config = transformers.BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
                                         intermediate_size=1536)
        return transformers.BertModel(config, add_pooling_layer=False)
    config = transformers.Qwen3Config(vocab_size=258, hidden_size=1024, num_hidden_layers=4, num_attention_heads=16,
                                      num_key_value_heads=8, head_dim=128, intermediate_size=3072, use_cache=False)
    model = transformers.Qwen3Model(config)
    if name == 'qwen3 adapter':
        import peft
        model = peft.get_peft_model(model, peft.LoraConfig(
            r=16, lora_alpha=32, lora_dropout=0.1,
            target_modules=['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']))
    return model


class Peer:
    """A model of theirs, one way to compute."""

    def __init__(self, arguments, model, way):
        import torch
        self.torch, self.way, self.mean = torch, way, model == 'minilm'
        torch.manual_seed(1)
        self.model = make_model(model).train()
        if way == 'bf16':
            self.model = self.model.to(torch.bfloat16)
        self.vocabulary = 258 if model != 'minilm' else 30000
        self.encode = torch.compile(self.model) if arguments.compile else self.model
        self.trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=1e-4, weight_decay=0.0, foreach=True)

    def embed(self, lengths):
        torch = self.torch
        mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
        ids = torch.randint(0, self.vocabulary, mask.shape) * mask
        # texts of one length need no mask, and are quicker without
        keywords = {} if bool(mask.all()) else {'attention_mask': mask.long()}
        hidden = self.encode(input_ids=ids, **keywords).last_hidden_state
        if self.mean:
            pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        else:
            pooled = hidden[torch.arange(len(lengths)), mask.sum(1) - 1]
        return torch.nn.functional.normalize(pooled, dim=-1)

    def step(self, lengths):
        torch = self.torch
        self.optimizer.zero_grad()
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=self.way == 'autocast'):
            if len(set(lengths)) == 1:  # one pass is quicker than two
                both = self.embed(lengths[::2] + lengths[1::2])
                queries, documents = both[:len(lengths) // 2], both[len(lengths) // 2:]
            else:
                queries, documents = self.embed(lengths[::2]), self.embed(lengths[1::2])
            loss = torch.nn.functional.cross_entropy((queries @ documents.T).float() / 0.02,
                                                     torch.arange(len(queries)))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()

    def tokens_per_second(self, lengths, seconds=4.0):
        self.step(lengths)
        start, steps = time.perf_counter(), 0
        while steps < 2 or time.perf_counter() - start < seconds:
            self.step(lengths)
            steps += 1
        return steps * sum(lengths) / (time.perf_counter() - start)


def compare(arguments, case):
    name, model, ways = CASES[case]
    lengths = lengths_of(case)
    peers = [Peer(arguments, model, way) for way in ways]
    rounds = []
    for _ in range(arguments.rounds):
        theirs = {peer.way: peer.tokens_per_second(lengths) for peer in peers}
        rounds.append((ours(arguments, name), theirs))
    medians = {way: statistics.median(theirs[way] for _, theirs in rounds) for way in ways}
    best = max(ways, key=lambda way: medians[way])
    ratios = [mine / theirs[best] for mine, theirs in rounds]
    print(f'| {case} | {statistics.median(mine for mine, _ in rounds):.0f} | '
          f'{", ".join(f"{way} {medians[way]:.0f}" for way in ways)} | {statistics.median(ratios):.2f} '
          f'({min(ratios):.2f} to {max(ratios):.2f}) |', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('benchmark')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--only', nargs='*', choices=list(CASES), default=list(CASES), metavar='CASE')
    parser.add_argument('--compile', action='store_true', help='torch.compile their model')
    arguments = parser.parse_args()
    if any(os.environ.get(key) != value for key, value in ALLOCATOR.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATOR})  # read when a process begins
    import torch
    import transformers
    torch.set_num_threads(arguments.threads)
    print(f'{arguments.threads} thread(s), torch {torch.__version__}, transformers {transformers.__version__}'
          f'{", compiled" if arguments.compile else ""}; tokens a second, medians of {arguments.rounds} rounds\n')
    print('| case | ours | PyTorch | ratio |\n|---|---|---|---|')
    for case in arguments.only:
        compare(arguments, case)


if __name__ == '__main__':
    main()
