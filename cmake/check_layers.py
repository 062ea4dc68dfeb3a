#!/usr/bin/env python3
"""Checks the architecture and the form of every header. usage: check_layers.py [--fix-umbrella] [REPOSITORY]

Layers: a header includes only headers of its own folder and of lower layers; folders of one layer never include each
other; no cycles; nobody includes the umbrella or cuda/. Form: `#pragma once`, ASCII, at most 400 lines a header and 50
a function, no quoted includes, no banned includes, JSON only in io/, no banned words in file names. The umbrella names
every header that belongs to it; --fix-umbrella rewrites it.
"""
import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYERS = {
    '': 0, 'core': 1, 'backend': 2, 'simd': 2, 'distributed': 2, 'autograd': 3, 'nn': 4, 'text': 5, 'io': 5, 'loss': 5,
    'optim': 5, 'data': 6, 'retrieval': 6, 'model': 7, 'eval': 7, 'remixer': 8, 'train': 9, 'cuda': 10,
}
MAX_LINES, MAX_FUNCTION_LINES, MAX_COLUMNS = 400, 50, 120
BANNED_INCLUDES = {'iostream', 'regex', 'ranges'}
BANNED_WORDS = {'fast', 'optimized', 'new', 'my', 'util', 'utils', 'helper', 'helpers', 'common', 'manager', 'base'}
UMBRELLA = 'reasonembed/reasonembed.hpp'
OUTSIDE_UMBRELLA = {'', 'remixer', 'cuda'}
UMBRELLA_HEAD = '''#pragma once
/// @file The whole CPU API. Left out on purpose: remixer/, MPI and cuda/, which have targets of their own.
'''


def folder_of(name):
    """Returns the folder of a header: 'nn' of 'reasonembed/nn/linear.hpp', '' of 'reasonembed/version.hpp'."""
    parts = name.split('/')
    return parts[1] if len(parts) > 2 else ''


def without_comments(text):
    """Returns C++ source with comments and the content of literals blanked out; the line structure stays."""
    raw, comment, string = r'R"([^()\\ ]*)\(.*?\)\1"', r'//[^\n]*|/\*.*?\*/', r'"(?:\\.|[^"\\\n])*"'
    character = r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'"  # but not the separator of 1'000
    pattern = re.compile('|'.join([raw, comment, string, character]), re.DOTALL)

    def blank(match):
        newlines = '\n' * match[0].count('\n')
        return newlines + ('""' if match[0][0] in 'R"\'' else '')

    return pattern.sub(blank, text)


def long_functions(text):
    """Yields (first line, length) of each function whose body has more than MAX_FUNCTION_LINES lines."""
    directive = re.compile(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', re.M)
    text = directive.sub(lambda match: '\n' * match[0].count('\n'), without_comments(text))
    scopes, head, line, depth = [], '', 1, 0  # depth: of parentheses and brackets within the innermost brace
    for position, character in enumerate(text):
        line += character == '\n'
        depth += (character in '([') - (character in ')]')
        if character == '{':
            nested = depth > 0 or any(kind != 'type' for kind, *_ in scopes)
            scopes.append(('block' if nested else kind_of(head), line, depth, head))
            head, depth = '', 0
        elif character == '}' and scopes:
            kind, first, depth, opened_by = scopes.pop()
            if kind == 'function' and line - first + 1 > MAX_FUNCTION_LINES:
                yield first, line - first + 1
            # A brace among parameters or in a list of member initialisers does not end the declaration.
            member = kind == 'function' and re.match(r'\s*[,{]', text[position + 1:position + 200])
            head = opened_by + ' ' if depth > 0 or member else ''
        elif character == ';' and depth == 0:
            head = ''
        else:
            head += character


def kind_of(head):
    """Returns what the brace after `head`, text at namespace or class scope, opens: 'type', 'function' or 'block'."""
    head = re.sub(r'operator\s*[^\s\w]+\s*(?=\()', 'operator_ ', head)
    while (shorter := re.sub(r'\([^()]*\)', '@', head)) != head:
        head = shorter
    while (shorter := re.sub(r'\btemplate\s*<[^<>]*>|<[^<>]*>', ' ', head)) != head:
        head = shorter
    if '=' in re.sub(r'[=!<>]=', '', head):
        return 'block'  # an initialiser or a concept
    if re.search(r'\b(namespace|class|struct|union|enum|extern)\b', head) and '@' not in re.sub(
            r'\b(alignas|requires|__attribute__)\s*@', '', head):
        return 'type'
    return 'function' if '@' in head else 'block'


class Checker:
    """Collects the faults of one repository."""

    def __init__(self, repository):
        self.include = repository / 'include'
        self.headers = {path.relative_to(self.include).as_posix(): path.read_bytes()
                        for pattern in ('*.hpp', '*.cuh', '*.h', '*.hh') for path in self.include.rglob(pattern)}
        self.includes = {name: re.findall(r'^\s*#\s*include\s*<([^>]+)>', content.decode('utf-8', 'replace'), re.M)
                         for name, content in self.headers.items()}
        self.faults = []

    def fault(self, name, text):
        self.faults.append(f'include/{name}: {text}')

    def run(self):
        for name in sorted(self.headers):
            self.check_form(name)
            self.check_includes(name)
            if name != UMBRELLA:
                self.check_layers(name)
        self.check_cycles()
        self.check_umbrella()
        return self.faults

    def check_form(self, name):
        content = self.headers[name]
        if not content.isascii():
            line = next(i for i, text in enumerate(content.split(b'\n'), 1) if not text.isascii())
            self.fault(f'{name}:{line}', 'has a character outside ASCII')
        text = content.decode('utf-8', 'replace')
        lines = text.split('\n')
        if not name.endswith(('.hpp', '.cuh')):
            self.fault(name, 'is neither .hpp nor .cuh')
        if lines[0] != '#pragma once':
            self.fault(name, 'does not begin with #pragma once')
        if text.count('\n') > MAX_LINES:
            self.fault(name, f'has {text.count(chr(10))} lines, at most {MAX_LINES} are allowed')
        for number, line in enumerate(lines, 1):
            if len(line) > MAX_COLUMNS:
                self.fault(f'{name}:{number}', f'has {len(line)} columns, at most {MAX_COLUMNS} are allowed')
        for first, length in long_functions(text):
            self.fault(f'{name}:{first}', f'a function has {length} lines, at most {MAX_FUNCTION_LINES} are allowed')
        stem = pathlib.PurePosixPath(name).stem
        if not re.fullmatch(r'[a-z0-9_]+', stem):
            self.fault(name, 'is not named in snake_case')
        for word in BANNED_WORDS & set(stem.split('_')):
            self.fault(name, f'has the banned word `{word}` in its name')
        if folder_of(name) not in LAYERS:
            self.fault(name, f'lies in the unknown folder {folder_of(name)}/')

    def check_includes(self, name):
        if 'std::stable_sort(' in self.headers[name].decode('utf-8', 'replace'):
            self.fault(name, 'uses std::stable_sort, which warns under clang; stable_sort of core/ does not')
        if re.search(r'^\s*#\s*include\s*"', self.headers[name].decode('utf-8', 'replace'), re.M):
            self.fault(name, 'has a quoted include')
        for included in self.includes[name]:
            if included in BANNED_INCLUDES:
                self.fault(name, f'includes <{included}>')
            if included.startswith('nlohmann/') and folder_of(name) != 'io':
                self.fault(name, f'includes <{included}>, which only io/ may')
            if included.startswith('reasonembed/') and included not in self.headers:
                self.fault(name, f'includes <{included}>, which does not exist')

    def check_layers(self, name):
        folder = folder_of(name)
        for included in self.includes[name]:
            if not included.startswith('reasonembed/') or included not in self.headers:
                continue
            other = folder_of(included)
            here, there = LAYERS.get(folder, 99), LAYERS.get(other, 99)
            if included == UMBRELLA:
                self.fault(name, 'includes the umbrella')
            elif there > here:
                self.fault(name, f'of layer {here} includes <{included}> of layer {there}')
            elif there == here and other != folder:
                self.fault(name, f'includes <{included}> of a sibling folder')

    def check_cycles(self):
        done, path = set(), []

        def visit(name):
            if name in path:
                self.fault(name, 'includes itself: ' + ' -> '.join(path[path.index(name):] + [name]))
                return
            if name in done or name not in self.includes:
                return
            path.append(name)
            for included in self.includes[name]:
                visit(included)
            path.pop()
            done.add(name)

        for name in sorted(self.includes):
            visit(name)

    def umbrella_list(self):
        """Returns the headers that the umbrella must include, in order."""
        return sorted(name for name in self.headers
                      if name.endswith('.hpp') and folder_of(name) not in OUTSIDE_UMBRELLA
                      and not pathlib.PurePosixPath(name).stem.startswith('mpi'))

    def check_umbrella(self):
        want, got = self.umbrella_list(), self.includes.get(UMBRELLA, [])
        for name in sorted(set(want) - set(got)):
            self.fault(UMBRELLA, f'does not include <{name}>')
        for name in sorted(set(got) - set(want)):
            self.fault(UMBRELLA, f'includes <{name}>, which it leaves out')
        if got != sorted(got):
            self.fault(UMBRELLA, 'is not in alphabetical order')

    def write_umbrella(self):
        text = UMBRELLA_HEAD + ''.join(f'#include <{name}>\n' for name in self.umbrella_list())
        path = self.include / UMBRELLA
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--fix-umbrella', action='store_true')
    parser.add_argument('repository', nargs='?', type=pathlib.Path, default=ROOT)
    arguments = parser.parse_args()
    if arguments.fix_umbrella:
        Checker(arguments.repository).write_umbrella()
    checker = Checker(arguments.repository)
    faults = checker.run()
    print('\n'.join(faults) if faults else f'{len(checker.headers)} headers keep the rules')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
