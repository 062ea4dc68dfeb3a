#!/usr/bin/env python3
"""Mining takes less memory than the texts of its corpus: documents lie on the disk, and so do their vectors.

usage: mining_memory_test.py REASONEMBED STATIC          STATIC is a directory of static embeddings

A corpus of 160 MB (REASONEMBED_LONG_TESTS: 640 MB) is encoded to a file of vectors; `mine` and `synthesize`, as far as
it comes without answers, then stay under bounds that do not depend on the corpus. As a control, BM25, whose index is in
memory, does not. The most memory a process had counts pages of its own and pages of files that it maps (ru_maxrss).
"""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

LONG = bool(os.environ.get('REASONEMBED_LONG_TESTS'))
DOCUMENTS = 160_000 if LONG else 40_000
BYTES = 4_000
WORDS = ('why does salt draw water light of the cell a heat').split()
MB = 1 << 20


def expect(condition, message):
    if not condition:
        raise SystemExit(message)


def run(*command):
    """@return  what the command printed, and the most memory it took in bytes"""
    with tempfile.TemporaryFile('w+') as out:
        process = subprocess.Popen([str(c) for c in command], stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        out.seek(0)
        text = out.read()
    expect(status == 0, f'{command}: {status}, {text[-2000:]}')
    return text, 1024 * usage.ru_maxrss


def write_corpus(path, queries):
    draw = random.Random(7)
    blocks = [' '.join(draw.choice(WORDS) for _ in range(40)) for _ in range(500)]
    with open(path, 'w') as file, open(queries, 'w') as asked:
        for number in range(DOCUMENTS):
            text = f'document {number}'
            while len(text) < BYTES:
                text += ' ' + draw.choice(blocks)
            file.write(json.dumps({'id': f'd{number}', 'title': f'title {number}', 'text': text}) + '\n')
            if number % (DOCUMENTS // 100) == 0:
                asked.write(json.dumps({'query': f'why does salt draw water {number}', 'source_id': f'd{number}',
                                        'source': f'title {number} {text}'}) + '\n')


def write_config(path, root, name, mining):
    path.write_text(f'''out = "{root / name}"
[model]
kind = "replay"
replay = ["{root / 'recording.jsonl'}"]
[sample]
most_documents = 100
[[task]]
name = "own"
corpus = "{root / 'corpus.jsonl'}"
domain = "Physics"
query_form = "a question"
relevance = "it explains it"
[mine]
threads = 2
{mining}
''')
    return path


def main(program, static):
    with tempfile.TemporaryDirectory(prefix='mining_memory_') as directory:
        root = pathlib.Path(directory)
        corpus, queries, vectors = root / 'corpus.jsonl', root / 'queries.jsonl', root / 'vectors.npy'
        write_corpus(corpus, queries)
        (root / 'recording.jsonl').write_text('{"format": "reasonembed recording 1", "model": "none"}\n')
        texts = corpus.stat().st_size
        encode = [program, 'encode', '--model', static, '--corpus', '--in', corpus, '--out', vectors, '--threads', 2]
        _, encoding = run(*encode)
        dense = f'retriever = "dense"\nmodel = "{static}"\nvectors = "{vectors}"\nnear_duplicates = {{}}'
        config = write_config(root / 'dense.toml', root, 'dense', dense)
        said, mining = run(program, 'mine', '--config', config, '--in', queries, '--out', root / 'mined.jsonl')
        mined = [json.loads(line) for line in open(root / 'mined.jsonl')]
        expect(len(mined) == 100 and all(len(row['docs']) >= 99 for row in mined), said)
        expect(all(row['source'] not in row['docs'] for row in mined), 'a source is a candidate')
        _, sampling = run(program, 'synthesize', '--config', config)
        config = write_config(root / 'bm25.toml', root, 'bm25', 'retriever = "bm25"')
        _, control = run(program, 'mine', '--config', config, '--in', queries, '--out', root / 'bm25.jsonl')
        print(f'texts {texts / MB:.0f} MB; encode {encoding / MB:.0f} MB, mine {mining / MB:.0f} MB, synthesize '
              f'{sampling / MB:.0f} MB; control, bm25 in memory: {control / MB:.0f} MB')
        left = sorted(p.name for p in (root / 'dense').iterdir())
        expect(not [name for name in left if name not in ('journal.sqlite', 'journal.sqlite.lock', 'own', 'rows')],
               f'{left} are left in the directory')
        per_document = 300 * DOCUMENTS  # ids, places and hashes
        bound = min(100 * MB + per_document, 0.7 * texts)
        expect(mining < bound, f'mine takes {mining / MB:.0f} MB')
        expect(sampling < bound, f'synthesize takes {sampling / MB:.0f} MB')
        expect(control > 1.2 * mining, f'the control takes {control / MB:.0f} MB')


if __name__ == '__main__':
    main(*sys.argv[1:])
