#!/usr/bin/env python3
"""Draws tokens a second over the length of a text and the number of texts in a call, for ReasonEmbed and its peers.

The systems are those of compare_encoders.py, and take turns. A point is one call with so many texts of so many tokens, in
the setting that is best for it: repeated for 0.1 seconds in each round, the median of the rounds. One panel for each number
of texts.
"""
import argparse
import pathlib
import statistics
import time

import compare_encoders

LENGTHS = (16, 32, 64, 128, 256, 512)
TEXTS = (1, 8, 32)
COLOURS = ("#1b6ca8", "#3fa34d", "#c1440e", "#7d7d7d", "#a67c00", "#7b4fa3", "#444444", "#b05a8a")
WIDTH, HEIGHT, LEFT, TOP = 300, 260, 60, 40


def best_setting(system, arguments, file, texts):
    """Of those that take all texts in one call."""
    settings = [s for s in system.settings(arguments, len(texts))
                if not isinstance(system, compare_encoders.Batched) or (s[0] == len(texts) and s[2] == 1)]
    if len(settings) == 1:
        return settings[0]
    return min(settings, key=lambda s: min(system.seconds(file, texts, s) for _ in range(2)))


def measure(systems, arguments):
    """Returns {texts: {system: [tokens a second, for each length]}}."""
    curves = {count: {name: [] for name in systems} for count in TEXTS}
    for count in TEXTS:
        for length in LENGTHS:
            texts = [" ".join(["water"] * (length - 2))] * count
            file = compare_encoders.write_texts(arguments.work / f"{count}_{length}.jsonl", texts)
            best = {name: best_setting(system, arguments, file, texts) for name, system in systems.items()}
            rounds = {name: [] for name in systems}
            for _ in range(arguments.rounds):
                for name, system in systems.items():
                    start, spent = time.perf_counter(), []
                    while not spent or time.perf_counter() - start < 0.1:
                        spent.append(system.seconds(file, texts, best[name]))
                    rounds[name].append(min(spent))
            for name in systems:
                curves[count][name].append(count * length / statistics.median(rounds[name]))
    return curves


def draw(curves, arguments):
    top = max(value for panel in curves.values() for curve in panel.values() for value in curve)
    step = next(s for s in (1000, 2000, 5000, 10000, 20000, 50000) if top / s <= 8)
    top = (int(top / step) + 1) * step

    def x(panel, i):
        return LEFT + panel * (WIDTH + 30) + i * WIDTH / (len(LENGTHS) - 1)

    def y(value):
        return TOP + HEIGHT * (1 - value / top)

    names = list(next(iter(curves.values())))
    total = LEFT + len(TEXTS) * (WIDTH + 30)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {TOP + HEIGHT + 70 + 18 * len(names)}" '
             'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>']
    for panel, (count, curve) in enumerate(curves.items()):
        label = f"{count} text{'s' if count > 1 else ''} a call"
        parts.append(f'<text x="{x(panel, 0)}" y="20">{label}, tokens/s, {arguments.threads} threads</text>')
        for value in range(0, top + 1, step):
            parts.append(f'<path d="M{x(panel, 0)} {y(value):.1f}h{WIDTH}" stroke="#ddd"/>')
            if panel == 0:
                parts.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value}</text>')
        for i, length in enumerate(LENGTHS):
            parts.append(f'<text x="{x(panel, i):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{length}</text>')
        parts.append(f'<text x="{x(panel, 0) + WIDTH / 2:.1f}" y="{TOP + HEIGHT + 36}" text-anchor="middle">'
                     'tokens a text</text>')
        for name, colour in zip(names, COLOURS):
            points = " ".join(f"{x(panel, i):.1f},{y(v):.1f}" for i, v in enumerate(curve[name]))
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    for i, (name, colour) in enumerate(zip(names, COLOURS)):
        line = TOP + HEIGHT + 60 + 18 * i
        parts.append(f'<path d="M{LEFT} {line - 4}h24" stroke="{colour}" stroke-width="3"/>'
                     f'<text x="{LEFT + 32}" y="{line}">{name}</text>')
    return "\n".join(parts) + "\n</svg>\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    compare_encoders.add_options(parser)
    parser.set_defaults(only=["ours", "torch bf16", "onnxruntime"])
    parser.add_argument("--svg", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    compare_encoders.prepare(arguments)
    systems = compare_encoders.make_systems(arguments, compare_encoders.chosen_names(arguments))
    curves = measure(systems, arguments)
    for count, panel in curves.items():
        for name, curve in panel.items():
            print(f"{count:2d} texts  {name:30s}" + "".join(f"{value:9.0f}" for value in curve))
    arguments.svg.write_text(draw(curves, arguments))


if __name__ == "__main__":
    main()
