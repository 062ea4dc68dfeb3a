#!/usr/bin/env python3
"""Writes how the reference tokenizers cut 2,000 texts by regular expressions, and what it takes for a class of characters.

usage: split_patterns.py     (needs tokenizers; written with 0.23.3)

Reads tokenizer_pipeline/texts.jsonl beside it and writes split_patterns/
  patterns.jsonl    {"regex", "behavior", "invert", "hashes"}: for each text 4 hexadecimal digits of the hash of its
                    pieces' lengths in bytes. The hash is FNV-1a of 32 bits over the lengths, four bytes each, the lowest
                    first
  categories.jsonl  {"category", "sha256"}: SHA-256 over the code points of a general category, four bytes each, the
                    lowest first, in ascending order

Pinned because token ids depend on them. They may change when a pattern is added, or when the project decides to follow a
newer reference; then newer_characters.hpp changes with them: its table is where PCRE2's categories are others.
"""
import hashlib
import json
import pathlib
import struct

from tokenizers import Regex, pre_tokenizers

HERE = pathlib.Path(__file__).resolve().parent
O200K = '|'.join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
DEEPSEEK_CJK = '[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+'
DEEPSEEK_WORDS = '|'.join([r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+""", r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+",
                           r" ?[\p{P}\p{S}]+[\r\n]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
PATTERNS = [(O200K, 'Isolated', False), (O200K, 'Removed', True), (r'\p{N}{1,3}', 'Isolated', False),
            (DEEPSEEK_CJK, 'Isolated', False), (DEEPSEEK_WORDS, 'Isolated', False),
            (r"(?=[\p{Lu}\p{M}])|x*", 'Isolated', False), (r'(?<=[\p{L}])\p{P}|^\s|\S$', 'MergedWithPrevious', False),
            (r'[^\S\n]+|\.', 'MergedWithNext', False), (r'[\p{Zs}\p{Cc}\p{Cf}]', 'Contiguous', True)]
CATEGORIES = 'Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn'.split()


def fnv(lengths):
    value = 0x811C9DC5
    for length in lengths:
        for byte in struct.pack('<I', length):
            value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def pattern_line(regex, behavior, invert, texts):
    split = pre_tokenizers.Split(Regex(regex), {'MergedWithPrevious': 'merged_with_previous',
                                                'MergedWithNext': 'merged_with_next'}.get(behavior, behavior.lower()), invert)
    hashes = ''
    for text in texts:
        pieces = [piece for piece, _ in split.pre_tokenize_str(text)]
        hashes += f'{fnv([len(piece.encode()) for piece in pieces]) & 0xFFFF:04x}'
    return {'regex': regex, 'behavior': behavior, 'invert': invert, 'hashes': hashes}


def category_line(category):
    keep = pre_tokenizers.Split(Regex(rf'[^\p{{{category}}}]+'), 'removed')
    found = []
    for begin in range(1, 0x110000, 0x1000):
        text = ''.join(chr(c) for c in range(begin, min(begin + 0x1000, 0x110000)) if not 0xD800 <= c < 0xE000)
        for piece, _ in keep.pre_tokenize_str(text):
            found += map(ord, piece)
    return {'category': category, 'sha256': hashlib.sha256(struct.pack(f'<{len(found)}I', *found)).hexdigest()}


def write(name, lines):
    (HERE / 'split_patterns' / name).write_text(''.join(json.dumps(line, ensure_ascii=False) + '\n' for line in lines))


def main():
    texts = [json.loads(line)['text'] for line in (HERE / 'tokenizer_pipeline/texts.jsonl').open(encoding='utf-8')]
    write('patterns.jsonl', [pattern_line(*pattern, texts) for pattern in PATTERNS])
    write('categories.jsonl', [category_line(category) for category in CATEGORIES])


if __name__ == '__main__':
    main()
