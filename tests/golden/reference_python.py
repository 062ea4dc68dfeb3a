"""How a check that needs Python packages is run: under the interpreter that has them, on what a program leaves behind."""
import argparse
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile


def enter(packages, named):
    """Goes on under the interpreter that REASONEMBED_REFERENCE_PYTHON names, if any.

    Says that the check skips and exits with 77 where one of `packages` is missing; `named` is what to call them.
    """
    python = os.environ.get("REASONEMBED_REFERENCE_PYTHON")
    if python and not os.environ.get("REASONEMBED_INSIDE_REFERENCE_PYTHON"):
        os.environ["REASONEMBED_INSIDE_REFERENCE_PYTHON"] = "1"
        os.execv(python, [python] + sys.argv)
    if any(importlib.util.find_spec(package) is None for package in packages):
        print(f"SKIPPED: no {named} (set REASONEMBED_REFERENCE_PYTHON to an interpreter that has it)")
        sys.exit(77)


def run(compare_all, source_file, variable):
    """Calls compare_all(DIRECTORY) for the directory on the command line, or for one that `--program PROGRAM` fills.

    The program, of the golden tests, runs its `source_file` with the directory in the environment's `variable`.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", nargs="?", type=pathlib.Path)
    parser.add_argument("--program")
    arguments = parser.parse_args()
    if not arguments.program:
        compare_all(arguments.directory)
        return
    with tempfile.TemporaryDirectory() as root:
        subprocess.run([arguments.program, f"--source-file={source_file}"], check=True,
                       env=dict(os.environ, **{variable: root}), stdout=subprocess.DEVNULL)
        compare_all(pathlib.Path(root))
