#!/usr/bin/env python3
"""Encodes beside a busy neighbour, on one thread and on more, and texts of many lengths: ReasonEmbed and its peers.

Systems, sets and settings are those of compare_encoders.py; all take turns in rounds, and the cosine of each with
sentence-transformers is checked first. Three tables, of medians of the rounds:

  neighbour  texts/s alone and with one other process that never sleeps, at the same priority and on no core of its own, and
             the share that stays. Peers have the setting that is best alone, or, with --best-busy, beside the neighbour.
  threads    ours on one thread and on --threads of them, and the ratio of the two.
  lengths    ours, tokens/s of texts of 32 to 512 tokens, so many and twice and four times as many: where time grows with
             tokens and nothing else, one length has one figure.
"""
import argparse
import contextlib
import statistics
import subprocess
import sys
import time

import compare_encoders as encoders

LENGTHS = (32, 64, 128, 256, 512)


@contextlib.contextmanager
def busy_neighbour(count):
    """So many processes that do nothing but compute, at this process's priority."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    time.sleep(0.3)  # until it computes
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def texts_a_second(system, file, texts, setting, least):
    """Of as many calls as take so many seconds: a scheduler's turns are longer than a call."""
    calls, spent = 0, 0.0
    while spent < least:
        spent += system.seconds(file, texts, setting)
        calls += 1
    return calls * len(texts) / spent


def measure_neighbour(systems, arguments, texts):
    file = encoders.write_texts(arguments.work / "neighbour.jsonl", texts)
    with busy_neighbour(1 if arguments.best_busy else 0):
        best = encoders.best_settings(systems, arguments, file, texts)
    rounds = []
    for _ in range(arguments.rounds):
        found = {}
        for name, system in systems.items():  # one after the other: the machine's drift is the same for both
            alone = texts_a_second(system, file, texts, best[name], arguments.seconds)
            with busy_neighbour(1):
                found[name] = (alone, texts_a_second(system, file, texts, best[name], arguments.seconds))
        rounds.append(found)
    kept = {name: statistics.median(r[name][1] / r[name][0] for r in rounds) for name in systems}
    peers = [name for name in systems if not isinstance(systems[name], encoders.Ours)]
    most = max((kept[name] for name in peers), default=None)
    print(f"\n| {len(texts)} texts, {arguments.threads} threads | alone, texts/s | beside a busy process | share kept | "
          "over the share of the best peer | setting |")
    print("|---|---|---|---|---|---|")
    for name, system in systems.items():
        alone, beside = (statistics.median(r[name][i] for r in rounds) for i in (0, 1))
        over = f"{kept[name] / most:.2f}" if most and name not in peers else ""
        print(f"| {name} | {alone:.1f} | {beside:.1f} | {100 * kept[name]:.0f}% | {over} | "
              f"{encoders.words_of(system, best[name])} |", flush=True)


def measure_threads(arguments, texts):
    file = encoders.write_texts(arguments.work / "threads.jsonl", texts)
    print(f"\n| {len(texts)} texts | 1 thread, texts/s | {arguments.threads} threads | ratio |")
    print("|---|---|---|---|")
    for name, precision in encoders.PRECISION.items():
        pair = [encoders.Ours(arguments.program, arguments.model, threads, precision) for threads in (1, arguments.threads)]
        for system in pair:
            system.seconds(file, texts, None)
        rounds = [[texts_a_second(system, file, texts, None, arguments.seconds) for system in pair]
                  for _ in range(arguments.rounds)]
        one, more = (statistics.median(r[i] for r in rounds) for i in (0, 1))
        ratios = sorted(r[1] / r[0] for r in rounds)
        print(f"| {name} | {one:.1f} | {more:.1f} | {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) |",
              flush=True)
        for system in pair:
            system.close()


def measure_lengths(systems, arguments):
    """Every length as often as gives the same number of tokens."""
    ours = {name: system for name, system in systems.items() if isinstance(system, encoders.Ours)}
    sets = {}
    for length in LENGTHS:
        for times in (1, 2, 4):
            texts = [" ".join(["water"] * (length - 2))] * (times * arguments.tokens // length)
            sets[length, times] = (encoders.write_texts(arguments.work / f"length_{length}_{times}.jsonl", texts), texts)
    rounds = {name: {key: [] for key in sets} for name in ours}
    for _ in range(arguments.rounds):
        for key, (file, texts) in sets.items():
            for name, system in ours.items():
                seconds = system.seconds(file, texts, None)
                rounds[name][key].append(len(texts) * key[0] / seconds)
    print(f"\n| tokens/s: {arguments.tokens}, {2 * arguments.tokens}, {4 * arguments.tokens} tokens in all | "
          + " | ".join(f"{length} a text" for length in LENGTHS) + " |")
    print("|---" * (len(LENGTHS) + 1) + "|")
    for name in ours:
        cells = []
        for length in LENGTHS:
            speeds = [statistics.median(rounds[name][length, times]) for times in (1, 2, 4)]
            cells.append(", ".join(f"{speed:.0f}" for speed in speeds) + f" ({min(speeds) / max(speeds):.2f})")
        print(f"| {name}; in brackets the least over the most | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    encoders.add_options(parser)
    parser.set_defaults(only=["ours", "torch bf16", "onnxruntime"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each system in a round, alone and beside")
    parser.add_argument("--tokens", type=int, default=4096, help="of the smallest of three sets of a length")
    parser.add_argument("--best-busy", action="store_true", help="peers' settings are chosen beside the neighbour")
    parser.add_argument("--tables", nargs="*", default=["neighbour", "threads", "lengths"])
    arguments = parser.parse_args()
    encoders.prepare(arguments)
    print(encoders.versions())
    print(f"medians of {arguments.rounds} rounds")
    systems = encoders.make_systems(arguments, encoders.chosen_names(arguments))
    texts = [" ".join(["water"] * 126)] * 64
    encoders.check(systems, arguments, [" ".join(["water", "is", "wet"] * n) for n in (1, 4, 9, 30)])
    if "neighbour" in arguments.tables:
        measure_neighbour(systems, arguments, texts)
    if "threads" in arguments.tables:
        measure_threads(arguments, texts)
    if "lengths" in arguments.tables:
        measure_lengths(systems, arguments)
    for system in systems.values():
        if isinstance(system, encoders.Ours):
            system.close()


if __name__ == "__main__":
    main()
