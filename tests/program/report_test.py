#!/usr/bin/env python3
"""`reasonembed report` and `reasonembed distill` on files: the shipped data, planted leaks, broken rows, and the journal
of a synthesis whose answers are replayed.

usage: report_test.py REASONEMBED
"""
import contextlib
import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

DATA = pathlib.Path(__file__).resolve().parent.parent.parent / 'examples' / 'data'


def expect(condition, message):
    if not condition:
        raise SystemExit(message)


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True)


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path, rows):
    path.write_text(''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows))
    return path


def training_rows(split):
    """Returns the rows of a split of the shipped data, and the texts relevant in it."""
    corpus = {row['id']: row['text'] for row in read(DATA / 'corpus.jsonl')}
    relevant = {}
    for line in (DATA / f'{split}.qrels.tsv').read_text().splitlines():
        query, _, document, _ = line.split('\t')
        relevant.setdefault(query, []).append(corpus[document])
    queries = read(DATA / f'{split}.queries.jsonl')
    return [{'query': row['text'], 'pos': relevant[row['id']], 'neg': []} for row in queries]


def test_triviality(program, root):
    mined = write(root / 'mined.jsonl', training_rows('train'))
    source = write(root / 'source.jsonl', [{'query': row['pos'][0].split('.')[0] + '?', 'pos': row['pos'][:1]}
                                           for row in training_rows('train')])
    labelled = write(root / 'labelled.jsonl', [{'query': 'a b', 'docs': ['a b', 'a c', 'd'], 'labels': [5, 3, 1]}])
    done = run(program, 'report', 'triviality', '--source', source, '--mined', f'ours={mined}', '--set', labelled,
               '--out', root / 'triviality.json')
    expect(done.returncode == 0, done.stderr)
    report = json.loads((root / 'triviality.json').read_text())
    by_name = {row['name']: row for row in report['rows']}
    expect(set(by_name) == {'source', 'ours', 'labelled'}, report)
    expect(by_name['source']['published_rouge1'] == 0.3216 and by_name['ours']['published_rouge1'] == 0.2411, report)
    expect(by_name['labelled']['pairs'] == 2 and by_name['labelled']['rouge1_f1'] == 0.75, report)
    expect(by_name['source']['rouge1_f1'] > by_name['ours']['rouge1_f1'], report)
    expect('0.3216' in done.stdout and (root / 'triviality.html').exists(), done.stdout)


def test_contamination(program, root):
    gold = {text for row in training_rows('test') for text in row['pos']}
    rows = [row | {'pos': [text for text in row['pos'] if text not in gold], 'kept': True}
            for row in training_rows('train')]
    honest = write(root / 'honest.jsonl', rows)
    command = [program, 'report', 'contamination', '--benchmark', f'ours={DATA}', '--split', 'test']
    done = run(*command, '--rows', honest, '--out', root / 'honest.json')
    expect(done.returncode == 0, done.stderr)
    expect(json.loads((root / 'honest.json').read_text())['leaks'] == [], done.stdout)
    leaked = read(DATA / 'test.queries.jsonl')
    rows[3] = rows[3] | {'query': leaked[0]['text'].upper()}
    rows[8] = rows[8] | {'pos': ['Somebody asked: ' + leaked[1]['text'] + ' Nobody knew.']}
    planted = write(root / 'planted.jsonl', rows)
    done = run(*command, '--rows', planted, '--out', root / 'planted.json', '--keep', root / 'kept.jsonl')
    expect(done.returncode == 0, done.stderr)
    report = json.loads((root / 'planted.json').read_text())
    expect(report['leaking_rows'] == [3, 8], report['leaks'])
    expect([leak['kind'] for leak in report['leaks']] == ['exact', 'n-gram'], report['leaks'])
    expect(read(root / 'kept.jsonl') == [row for i, row in enumerate(rows) if i not in (3, 8)], 'other rows were kept')
    expect((root / 'planted.md').read_text().startswith('## Contamination'), 'no text for a model card')
    expect('2 rows left out' in done.stdout, done.stdout)


def test_agreement(program, root):
    first = write(root / 'large.jsonl', [{'query': 'q', 'docs': ['a', 'b', 'c'], 'labels': [1, 5, -1]}])
    second = write(root / 'small.jsonl', [{'query': 'q', 'docs': ['c', 'b', 'a', 'd'], 'labels': [2, 5, 2, 3]}])
    done = run(program, 'report', 'agreement', '--first', first, '--second', second, '--out', root / 'agreement.json')
    expect(done.returncode == 0, done.stderr)
    report = json.loads((root / 'agreement.json').read_text())
    expect((report['items'], report['left_out'], report['exact']) == (2, 1, 0.5), report)
    expect('1 pairs of query and document are in one file only' in done.stderr, done.stderr)


def test_distill(program, root):
    records = [{'query': f'q{i}', 'document': 'd', 'messages': [{'role': 'user', 'content': f'judge {i}'}],
                'answer': f'Well. <score>{i % 5 + 1}</score>', 'score': i % 5 + 1} for i in range(200)]
    source = write(root / 'records.jsonl', records + [records[0] | {'score': -1}])
    command = [program, 'distill', '--in', source, '--out', root / 'train.jsonl', '--held-out-out', root / 'held.jsonl',
               '--held-out', 0.2]
    done = run(*command)
    expect(done.returncode == 0, done.stderr)
    train, held = read(root / 'train.jsonl'), read(root / 'held.jsonl')
    expect(len(train) + len(held) == 200 and 20 <= len(held) <= 60, f'{len(train)} and {len(held)}')
    expect(all(set(row) == {'messages'} and row['messages'][-1]['role'] == 'assistant' for row in train), train[0])
    before = (root / 'train.jsonl').read_bytes()
    run(*command)
    expect((root / 'train.jsonl').read_bytes() == before, 'the same seed gave other examples')


def synthesize(program, root):
    """Makes rows of the shipped corpus with BM25 and recorded answers: queries from the shipped recording, annotations
    from one that this function writes, as their keys depend on the candidates. Returns the journal."""
    config = root / 'remix.toml'
    recording = root / 'answers.jsonl'
    head = {'format': 'reasonembed recording 1', 'model': 'written for these prompts by hand'}
    recording.write_text(json.dumps(head) + '\n')
    config.write_text((DATA / 'remix.toml').read_text().replace('out = "remix"', f'out = "{root}/out"')
                      .replace('"examples/data', f'"{DATA}').replace('retriever = "dense"', 'retriever = "bm25"')
                      .replace('model = "all-MiniLM-L6-v2"', '')
                      .replace('replay = [', f'replay = [\n  "{recording}",'))
    stages = {'annotate_relevance': lambda key: f'Because of {key[:6]}.\n<score>{1 + int(key[:2], 16) % 5}</score>',
              'write_reasoning_queries': lambda key: f'The essential problem is {key}.'}
    for stage in [*stages, None]:  # each run asks one stage more, and the journal says what nobody has answered
        done = run(program, 'synthesize', '--config', config)
        expect(done.returncode == 0, done.stderr)
        if stage is None:
            expect(done.stdout.endswith(f' rows in {root}/out/rows\n'), done.stdout)
            return root / 'out/journal.sqlite'
        with contextlib.closing(sqlite3.connect(root / 'out/journal.sqlite')) as journal:
            keys = [key.hex() for key, in journal.execute('SELECT key FROM calls WHERE fault = ? AND stage = ?',
                                                          ('not_recorded', stage))]
        expect(len(keys) > 0, f'nothing is missing in {stage}')
        with recording.open('a') as file:
            for key in keys:
                file.write(json.dumps({'key': key, 'stage': stage, 'text': stages[stage](key)}) + '\n')


def test_journal(program, root):
    journal = synthesize(program, root)
    out = root / 'out'
    labelled = read(out / 'everyday/labelled.jsonl')
    pairs = sum(len(row['labels']) for row in labelled)
    expect(len(labelled) == 72 and pairs == 720, f'{len(labelled)} queries with {pairs} candidates')
    with contextlib.closing(sqlite3.connect(journal)) as database:
        def count(sql):
            return database.execute(sql).fetchone()[0]
        expect(count('SELECT count(*) FROM generated_queries') == 72, 'queries are missing in the journal')
        expect(count('SELECT count(*) FROM annotations') == pairs, 'annotations are missing in the journal')
        expect(count('SELECT count(*) FROM annotations JOIN generated_queries USING (task, query_id, query)') == pairs,
               'annotations and queries do not fit each other')
        ids = {json.loads(line)['id'] for line in (DATA / 'corpus.jsonl').read_text().splitlines()}
        expect({row[0] for row in database.execute('SELECT document_id FROM annotations')} <= ids, 'an unknown id')
        rows = read(out / 'rows/everyday.jsonl')
        expect({tuple(row) for row in database.execute('SELECT query, reasoning_query FROM reasoning_queries')} ==
               {(row['query'], row['reasoning_query']) for row in rows}, 'other reasoning queries')
    status = run(program, 'synthesize', '--config', root / 'remix.toml', '--status').stdout.splitlines()
    expect([line.split()[:4] for line in status[1:]] ==
           [['generate_queries', '72', '0', '0'], ['mine_candidates', '549', '0', '0'],
            ['annotate_relevance', '720', '0', '0'], ['write_reasoning_queries', str(len(rows)), '0', '0']], status)

    command = [program, 'distill', '--journal', journal, '--out', root / 'train.jsonl', '--held-out-out',
               root / 'held.jsonl']
    done = run(*command)
    expect(done.returncode == 0, done.stderr)
    train, held = read(root / 'train.jsonl'), read(root / 'held.jsonl')
    expect(len(train) + len(held) == pairs, done.stdout)
    scores = {label for row in labelled for label in row['labels']}
    for row in train + held:
        *prompt, answer = row['messages']
        expect(prompt[-1]['role'] == 'user' and '<document>' in prompt[-1]['content'], row)
        expect(answer['role'] == 'assistant' and '<score>' in answer['content'], row)
    high = run(*command, '--least-score', 4, '--task', 'everyday')
    wanted = sum(label >= 4 for row in labelled for label in row['labels'])
    expect(high.returncode == 0 and len(read(root / 'train.jsonl')) + len(read(root / 'held.jsonl')) == wanted,
           high.stdout + high.stderr)
    balanced = run(*command, '--balance', 1)
    counts = [sum(f'<score>{score}<' in row['messages'][-1]['content'] for row in read(root / 'train.jsonl'))
              for score in scores]
    expect(balanced.returncode == 0 and len(set(counts)) == 1, counts)
    other = run(program, 'distill', '--journal', journal, '--task', 'nobody', '--out', root / 'x.jsonl')
    expect(other.returncode == 1 and 'task "nobody" is 0' in other.stderr, other.stderr)
    both = run(program, 'distill', '--journal', journal, '--in', journal, '--out', root / 'x.jsonl')
    expect(both.returncode != 0 and not (root / 'x.jsonl').exists(), 'two sources at once')

    labels = [{'query': row['query'], 'docs': row['docs'], 'labels': row['labels']} for row in labelled]
    agreement = [program, 'report', 'agreement', '--out', root / 'agreement.json', '--first', journal, '--second']
    expect(run(*agreement, journal).returncode == 0, 'a journal can not be compared')
    report = json.loads((root / 'agreement.json').read_text())
    expect((report['items'], report['exact']) == (pairs, 1.0), report)
    expect(run(*agreement, write(root / 'labels.jsonl', labels)).returncode == 0, 'a journal and a file of rows')
    card = (out / 'rows/contamination.md').read_text()
    expect(card.startswith('## Contamination') and 'everyday test' in card, card)


def test_errors(program, root):
    broken = write(root / 'broken.jsonl', [{'query': 'a', 'pos': ['b']}, {'query': 1}])
    for command in (['report', 'triviality', '--set', broken], ['report', 'triviality', '--set', root / 'absent'],
                    ['report', 'contamination', '--rows', broken, '--benchmark', DATA], ['report', 'triviality'],
                    ['report', 'agreement', '--first', broken, '--second', broken],
                    ['distill', '--in', broken, '--out', root / 'x.jsonl'],
                    ['distill', '--journal', broken, '--out', root / 'x.jsonl'],
                    ['distill', '--journal', root / 'absent', '--out', root / 'x.jsonl']):
        done = run(program, *command)
        expect(done.returncode == 1 and done.stderr.startswith('error: '), f'{command}: {done.stderr}')
    expect(f'{broken}:2' in run(program, 'report', 'triviality', '--set', broken).stderr, 'the line is not named')
    expect(not (root / 'x.jsonl').exists(), 'a failed run left a file')


def main():
    program = pathlib.Path(sys.argv[1])
    for test in (test_triviality, test_contamination, test_agreement, test_distill, test_journal, test_errors):
        with tempfile.TemporaryDirectory() as directory:
            test(program, pathlib.Path(directory))
        print(f'{test.__name__} passed')


if __name__ == '__main__':
    main()
