#!/usr/bin/env python3
"""Checks that the umbrella header stays cheap: its compile time as a multiple of that of <Eigen/Core>.

A ratio within one run means the same on every machine. The gate fails 20% above the recorded budget; a header that
needs more says so by a change of the budget, where a reviewer sees it.
"""
import argparse
import json
import pathlib
import statistics
import sys

from compiler import Compiler

REPETITIONS = 5
TOLERANCE = 1.2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    Compiler.add_arguments(parser)
    parser.add_argument('--budget', type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    compiler = Compiler(arguments)
    kind = 'clang' if 'clang' in pathlib.Path(arguments.compiler).name else 'gcc'
    budget = json.loads(arguments.budget.read_text())['umbrella_to_eigen_core'][kind]

    umbrella, eigen = [], []
    for _ in range(REPETITIONS):  # alternating, so that a busy neighbour slows both
        eigen.append(compiler.seconds('#include <Eigen/Core>\n'))
        umbrella.append(compiler.seconds('#include <reasonembed/reasonembed.hpp>\n'))
    ratio = statistics.median(umbrella) / statistics.median(eigen)
    print(f'umbrella {statistics.median(umbrella):.2f} s, Eigen/Core {statistics.median(eigen):.2f} s, '
          f'ratio {ratio:.2f}, budget {budget:.2f} (fails above {budget * TOLERANCE:.2f})')
    return 1 if ratio > budget * TOLERANCE else 0


if __name__ == '__main__':
    sys.exit(main())
