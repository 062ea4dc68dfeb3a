#!/usr/bin/env python3
"""Holds encode against sentence-transformers: the same model, corpus and number of threads, in turn, in one run.

usage: compare_encode.py BENCHMARK MODEL_DIR CORPUS_JSONL [--threads 1] [--rounds 5] [--texts 0]

BENCHMARK is build/release/bin/encode_benchmark. Needs sentence-transformers in the Python that runs this. Each round
measures ours and theirs; the ratio is taken round by round, so that a machine whose speed drifts does not decide. Theirs
sorts texts by length and pads each batch; the best batch size of {16, 32, 64, 128} is found first and used throughout.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time


def ours(arguments, corpus):
    command = [arguments.benchmark, f'--benchmark_filter=encode_corpus/threads:{arguments.threads}/',
               '--benchmark_format=json', '--benchmark_min_time=1']
    environment = dict(os.environ, REASONEMBED_BENCHMARK_CORPUS=corpus, REASONEMBED_MINILM=arguments.model)
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return json.loads(output)['benchmarks'][0]['texts/s']


def theirs(model, texts, batch):
    start = time.perf_counter()
    model.encode(texts, batch_size=batch, normalize_embeddings=True, show_progress_bar=False)
    return len(texts) / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('benchmark')
    parser.add_argument('model')
    parser.add_argument('corpus')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--texts', type=int, default=0, help='only the first texts; 0 takes all')
    arguments = parser.parse_args()

    import torch
    from sentence_transformers import SentenceTransformer, __version__
    torch.set_num_threads(arguments.threads)
    rows = [line for line in open(arguments.corpus) if line.strip()]
    rows = rows[:arguments.texts] if arguments.texts else rows
    texts = [json.loads(row)['text'] for row in rows]
    model = SentenceTransformer(arguments.model, device='cpu')
    batch = max((16, 32, 64, 128), key=lambda size: theirs(model, texts[:2000], size))
    with tempfile.NamedTemporaryFile('w', suffix='.jsonl') as corpus:
        corpus.writelines(rows)
        corpus.flush()
        rounds = [(ours(arguments, corpus.name), theirs(model, texts, batch)) for _ in range(arguments.rounds)]
    ratios = [a / b for a, b in rounds]
    print(f'{len(texts)} texts, {arguments.threads} thread(s), torch {torch.__version__}, '
          f'sentence-transformers {__version__} with batches of {batch}')
    print(f'ours   {statistics.median(a for a, _ in rounds):9.1f} texts/s (median of {len(rounds)})')
    print(f'theirs {statistics.median(b for _, b in rounds):9.1f} texts/s')
    print(f'ratio  {statistics.median(ratios):9.2f} (from {min(ratios):.2f} to {max(ratios):.2f})')


if __name__ == '__main__':
    main()
