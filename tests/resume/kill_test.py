#!/usr/bin/env python3
"""A training run that is killed with SIGKILL at random moments, and started again each time, ends like one that was
left alone: the same checkpoint, model and log, to the byte.

usage: kill_test.py PROGRAM [--kills N] [--seed S]        PROGRAM is train_job
"""
import argparse
import json
import pathlib
import random
import signal
import subprocess
import tempfile
import time

TIMES = ("seconds", "tokens_per_second")


def start(program, directory, threads):
    directory.mkdir(exist_ok=True)
    return subprocess.Popen([program, str(directory), str(threads)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process):
    error = process.communicate()[1].decode()
    if process.returncode != 0:
        raise SystemExit(f"train_job ended with {process.returncode}: {error}")


def steps_of(directory):
    """The log's steps, without what differs from run to run."""
    rows = [json.loads(line) for line in (directory / "run.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in TIMES} for row in rows if row["event"] == "step"]


def files_of(directory):
    """{relative path: bytes} of checkpoint and model."""
    paths = [p for part in ("checkpoint", "model") for p in (directory / part).rglob("*") if p.is_file()]
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(paths)}


def compare(name, got, want):
    if got != want:
        different = [k for k in sorted(set(got) | set(want)) if got.get(k) != want.get(k)]
        raise SystemExit(f"{name}: other bytes than the run that was left alone in {different}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.randrange(1 << 30)
    print(f"seed {seed}", flush=True)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        alone = root / "alone"
        begin = time.monotonic()
        finish(start(arguments.program, alone, 1))
        whole = time.monotonic() - begin
        want_files, want_steps = files_of(alone), steps_of(alone)
        assert [row["step"] for row in want_steps] == list(range(1, 151)), "a step is missing or there twice"

        kills = rounds = 0
        while kills < arguments.kills:
            killed = root / f"killed{rounds}"
            rounds += 1
            while True:
                process = start(arguments.program, killed, chance.choice((1, 2)))
                try:
                    process.wait(chance.uniform(0.0, 0.4 * whole) if kills < arguments.kills else None)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.communicate()
                    kills += 1
                    continue
                finish(process)
                break
            compare(f"after {kills} kills", files_of(killed), want_files)
            if steps_of(killed) != want_steps:
                raise SystemExit(f"after {kills} kills: the log has other steps than that of the run left alone")
            left = [p.name for p in killed.iterdir() if p.name not in ("checkpoint", "model", "run.jsonl")]
            temporary = [p for p in left if p.startswith("checkpoint.tmp.")]
            if temporary:
                raise SystemExit(f"left behind: {temporary}")
        print(f"{kills} kills in {rounds} run(s) of {whole:.2f} s: checkpoint, model and log are the same to the byte")


if __name__ == "__main__":
    main()
