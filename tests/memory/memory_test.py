#!/usr/bin/env python3
"""A checkpoint of the sizes of Qwen3-0.6B loads in seconds and encodes texts of 512 tokens within 1.3 times the bytes of
its weights, and what `reasonembed inspect` plans is within 5% of what a process then takes.

usage: memory_test.py MEMORY_CHECK [REASONEMBED]

Runs where REASONEMBED_LONG_TESTS is set; needs 1.2 GB in the directory of temporary files and 3 GB of memory. The most
memory a process had is VmHWM of /proc/self/status: pages of its own and pages of files that it maps. Pages of the
checkpoint count as long as the process holds them; the system's cache of the file does not.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import write_checkpoint

TEXTS, THREADS = 2, 2
SKIP = 77


def expect(condition, message):
    if not condition:
        raise SystemExit(message)


def free_memory():
    for line in open('/proc/meminfo'):
        if line.startswith('MemAvailable:'):
            return 1024 * int(line.split()[1])
    return 0


def skip(reason):
    print(f'SKIPPED: memory test: {reason}')
    sys.exit(SKIP)


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    expect(done.returncode == 0, done.stderr)
    return done.stdout


def check(program, model, dtype, weights):
    figures = json.loads(run(program, model, dtype, TEXTS, THREADS))
    planned = figures['planned_weights'] + figures['planned_activations']
    taken = figures['peak'] - figures['before']
    print(f'{dtype}: loaded in {figures["load_seconds"]} s, {figures["tokens_per_second"]:.0f} tokens/s with {THREADS} '
          f'threads; at most {figures["peak"] / 1e6:.0f} MB, {figures["peak"] / weights:.3f} times the weights '
          f'(while loading {figures["load_peak"] / weights:.3f}); planned {planned / 1e6:.0f} MB, taken '
          f'{taken / 1e6:.0f} MB; at the end {figures["anonymous"] / 1e6:.0f} MB of its own and '
          f'{figures["file"] / 1e6:.0f} MB of files')
    expect(figures['dim'] == 1024, figures)
    expect(figures['load_seconds'] < 30, f'loading takes {figures["load_seconds"]} s')
    expect(figures['load_peak'] < 1.05 * weights, 'loading takes more than the packed model and some rows')
    expect(figures['peak'] < 1.3 * weights, 'encoding takes 1.3 times the weights')
    expect(abs(planned - taken) < 0.05 * taken, 'the plan is off by 5%')
    return planned


def check_inspect(program, model, planned):
    """What `inspect` prints is the plan."""
    shown = run(program, 'inspect', model, '--threads', THREADS)
    for dtype, size in planned.items():
        found = re.search(rf'memory +([0-9.]+) GiB to encode in {dtype}', shown)
        expect(found and abs(float(found[1]) - size / 2**30) < 0.011, shown)


def main(program, reasonembed=None):
    if not os.environ.get('REASONEMBED_LONG_TESTS'):
        skip('REASONEMBED_LONG_TESTS is not set')
    if shutil.disk_usage(tempfile.gettempdir()).free < 3e9:
        skip('less than 3 GB of disk are free')
    if free_memory() < 4e9:
        skip('less than 4 GB of memory are free')
    with tempfile.TemporaryDirectory() as name:
        model = pathlib.Path(name) / 'model'
        write_checkpoint.main(model)
        weights = (model / 'model.safetensors').stat().st_size
        planned = {dtype: check(program, model, dtype, bytes_of)
                   for dtype, bytes_of in (('bfloat16', weights), ('float32', 2 * weights))}
        if reasonembed:
            check_inspect(reasonembed, model, planned)


if __name__ == '__main__':
    main(*sys.argv[1:])
