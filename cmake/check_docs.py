#!/usr/bin/env python3
"""Checks that the code in README.md and docs/*.md is code that is compiled. usage: check_docs.py [--fix] [REPOSITORY]

A C++ or CMake block must follow a comment that names where it comes from, and equal what stands there:

    <!-- example: examples/02_encode.cpp#search -->    lines between `// example-begin search` and `// example-end search`
    <!-- example: tests/consumer/CMakeLists.txt -->    the whole file

--fix copies the code into the page. Relative links must lead to files that exist.
"""
import argparse
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHECKED_LANGUAGES = {'cpp', 'c++', 'cxx', 'cmake', 'cuda'}
SOURCE = re.compile(r'<!-- example: ([^#\s]+)(?:#([A-Za-z0-9_]+))? -->')


class MissingExample(Exception):
    """A page names an example that does not exist."""


def example(repository, path, name):
    """Returns the code that `path#name` names, without common indentation."""
    file = repository / path
    if path.split('/')[0] not in ('examples', 'tests') or not file.is_file():
        raise MissingExample(f'{path} is not a file of examples/ or tests/')
    text = file.read_text()
    if name is None:
        return text
    marked = re.search(rf'^[ \t]*(?://|#) example-begin {name}\n(.*?)^[ \t]*(?://|#) example-end {name}$', text,
                       re.M | re.S)
    if not marked:
        raise MissingExample(f'{path} has no `example-begin {name}` with its `example-end {name}`')
    lines = [line for line in marked[1].split('\n') if not re.match(r'\s*(//|#) example-(begin|end) ', line)]
    return textwrap.dedent('\n'.join(lines))


def check_page(repository, page, fix):
    """Returns the faults of one page, and its corrected text."""
    faults, output, source = [], [], None
    lines = page.read_text().split('\n')
    where = page.relative_to(repository).as_posix()
    number = 0
    while number < len(lines):
        line = lines[number]
        output.append(line)
        number += 1
        fence = re.match(r'(```+|~~~+)\s*(\S*)', line)
        if not fence:
            source = SOURCE.match(line) or (source if not line.strip() else None)
            faults += [f'{where}:{number}: links to {link}, which does not exist' for link in dead_links(page, line)]
            continue
        first = number
        while number < len(lines) and not lines[number].startswith(fence[1]):
            number += 1
        block = lines[first:number]
        if source:
            try:
                want = example(repository, source[1], source[2]).rstrip('\n').split('\n')
                if block != want and not fix:
                    faults.append(f'{where}:{first}: differs from {source[0][14:-4]}; run cmake/check_docs.py --fix')
                block = want
            except MissingExample as error:
                faults.append(f'{where}:{first}: {error}')
        elif fence[2].lower() in CHECKED_LANGUAGES:
            faults.append(f'{where}:{first}: {fence[2]} code without `<!-- example: PATH#NAME -->` before it')
        output += block
        if number == len(lines):
            faults.append(f'{where}:{first}: a code block that never ends')
        else:
            output.append(lines[number])
            number += 1
        source = None
    return faults, '\n'.join(output)


def dead_links(page, line):
    """Returns the relative link targets of a line that do not exist."""
    line = re.sub(r'`[^`]*`', '', line)
    targets = [target.split('#')[0] for target in re.findall(r'\]\(([^)\s]+)\)', line)]
    return [target for target in targets
            if target and not re.match(r'[a-z]+:', target) and not (page.parent / target).exists()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--fix', action='store_true')
    parser.add_argument('repository', nargs='?', type=pathlib.Path, default=ROOT)
    arguments = parser.parse_args()
    repository = arguments.repository.resolve()
    pages = [page for page in [repository / 'README.md', *sorted((repository / 'docs').rglob('*.md'))] if page.exists()]
    all_faults = []
    for page in pages:
        faults, text = check_page(repository, page, arguments.fix)
        all_faults += faults
        if arguments.fix and text != page.read_text():
            page.write_text(text)
    print('\n'.join(all_faults) if all_faults else f'{len(pages)} pages agree with the code')
    return 1 if all_faults else 0


if __name__ == '__main__':
    sys.exit(main())
