#!/usr/bin/env python3
"""Checks that a wrong program is refused with the promised message.

The file is compiled twice: with MUST_FAIL=0 it must compile, so that a rotten test cannot pass by failing for another
reason; with MUST_FAIL=1 it must not, and what the compiler prints must match the regular expression of the file's
first line, `// expected-error: REGEX`.
"""
import argparse
import pathlib
import re
import sys

from compiler import Compiler


def check(compiler, source):
    """Returns what is wrong with `source`, or None."""
    first_line = source.read_text().split('\n', 1)[0]
    expected = re.fullmatch(r'// expected-error: (.+)', first_line)
    if not expected:
        return 'the first line is not `// expected-error: REGEX`'
    accepted, output = compiler.check(source, ['-DMUST_FAIL=0'])
    if not accepted:
        return f'does not compile with MUST_FAIL=0:\n{output}'
    accepted, output = compiler.check(source, ['-DMUST_FAIL=1'])
    if accepted:
        return 'compiles with MUST_FAIL=1'
    if not re.search(expected[1], output):
        return f'fails without the message `{expected[1]}`:\n{output}'
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    Compiler.add_arguments(parser)
    parser.add_argument('sources', nargs='+', type=pathlib.Path)
    arguments = parser.parse_args()
    compiler = Compiler(arguments)
    faults = [(source, fault) for source in arguments.sources if (fault := check(compiler, source))]
    for source, fault in faults:
        print(f'{source}: {fault}')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
