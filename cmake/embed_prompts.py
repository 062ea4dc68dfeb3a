#!/usr/bin/env python3
"""Checks that remixer/default_prompts.hpp holds docs/prompts/*.md. usage: embed_prompts.py [--fix] [REPOSITORY]

--fix writes the header anew.
"""
import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER = 'include/reasonembed/remixer/default_prompts.hpp'
HEAD = '''#pragma once
/// @file The prompts of docs/prompts, compiled in. Written by cmake/embed_prompts.py --fix; edit the pages.
#include <reasonembed/config.hpp>

#include <array>
#include <string_view>
#include <utility>

// clang-format off

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Name and text of each page: "STAGE" or "STAGE.KIND", sorted by name.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, COUNT> kDefaultPrompts = {{
'''
TAIL = '''}};

}  // namespace reasonembed::remixer
'''


def header_text(repository):
    """Returns what the header must be."""
    pages = sorted((page.name[:-len('.md')], page.read_text()) for page in (repository / 'docs/prompts').glob('*.md')
                   if page.name != 'README.md')
    text = HEAD.replace('COUNT', str(len(pages)))
    for name, content in pages:
        if ')md"' in content:
            sys.exit(f'docs/prompts/{name}.md: holds the end of a raw string, )md"')
        text += f'    {{"{name}", R"md({content})md"}},\n'
    return text + TAIL


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--fix', action='store_true')
    parser.add_argument('repository', nargs='?', type=pathlib.Path, default=ROOT)
    arguments = parser.parse_args()
    header = arguments.repository / HEADER
    want = header_text(arguments.repository)
    if header.exists() and header.read_text() == want:
        print(f'{HEADER} holds docs/prompts')
        return 0
    if arguments.fix:
        header.write_text(want)
        print(f'{HEADER} written')
        return 0
    print(f'{HEADER} differs from docs/prompts; run cmake/embed_prompts.py --fix')
    return 1


if __name__ == '__main__':
    sys.exit(main())
