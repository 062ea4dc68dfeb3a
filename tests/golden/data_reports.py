#!/usr/bin/env python3
"""Writes tests/golden/data_reports/: what the Python packages say that the reports on training data must equal.

    python3 data_reports.py

Made with rouge-score 0.1.2, nltk 3.10 and scikit-learn 1.9; new files are only needed if the definitions change.
tests/golden/data_reports_test.cpp compares the library with them, to the bit where the numbers are quotients of
counts. Texts are those of examples/data, and lines of this file that are harder to cut into words.
"""
import json
import pathlib
import random
import re

from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer
from sklearn.metrics import cohen_kappa_score

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OUT = pathlib.Path(__file__).resolve().parent / 'data_reports'
HARD = [
    '', ' ', 'a', 'A a A', 'the the the', 'The THE the', "don't stop", 'under_score snake_case', 'x=1;y=2',
    '3.14 is pi',
    '1234567890', 'caf\u00e9 na\u00efve', '\u212aelvin \u212a', '\u0130stanbul I\u0307',
    '\u00c5ngstr\u00f6m \u212bngstr\u00f6m',
    '\u4f60\u597d world', 'tab\tand\nnewline', 'e-mail e mail', 'running runs ran runner', 'generalization generally',
    'skies sky dying lying ties', 'proceed exceed succeed news howe', 'agreed feed plastered bled motoring sing',
    'hopping tanned falling hissing fizzed failing filing', 'relational conditional rational valency hesitancy',
    'YYYY yyyy sayyyy', '\ud55c\uad6d\uc5b4', 'zero\u200bwidth', '\ufeffbom', 'A\u0301cute', '\ufb01ne',
    'stra\u00dfe STRASSE',
]
PARTS = ['at', 'bl', 'iz', 'tional', 'ational', 'enci', 'anci', 'izer', 'bli', 'alli', 'entli', 'eli', 'ousli',
         'ization',
         'ation', 'ator', 'alism', 'iveness', 'fulness', 'ousness', 'aliti', 'iviti', 'biliti', 'fulli', 'logi',
         'icate',
         'ative', 'alize', 'iciti', 'ical', 'ful', 'ness', 'al', 'ance', 'ence', 'er', 'ic', 'able', 'ible', 'ant',
         'ement',
         'ment', 'ent', 'sion', 'tion', 'gion', 'ou', 'ism', 'ate', 'iti', 'ous', 'ive', 'ize', 'e', 'll', 'y', 's',
         'ss',
         'sses', 'ies', 'ied', 'ed', 'eed', 'ing', 'ly', 'ogy', 'ality']
STEMS = ['', 'b', 'tr', 'ee', 'y', 'oa', 'trouble', 'priv', 'sky', 'hop', 'fil', 'ann', 'fizz', 'roll', 'contr', 'syz',
         'enjo', 'say', '2x', 'wax']


def texts(name):
    lines = (ROOT / 'examples' / 'data' / name).read_text().splitlines()
    return [(row['id'], row['text']) for row in map(json.loads, lines)]


def write_rouge(draw):
    scorers = [rouge_scorer.RougeScorer(['rouge1'], use_stemmer=stem) for stem in (False, True)]
    queries, documents = texts('train.queries.jsonl') + texts('test.queries.jsonl'), texts('corpus.jsonl')
    lines = []
    for _ in range(1000):
        query, document = draw.choice(queries), draw.choice(documents)
        scores = [scorer.score(query[1], document[1])['rouge1'] for scorer in scorers]
        lines.append({'query': query[0], 'doc': document[0]} | numbers(scores))
    for target in HARD:
        for prediction in draw.sample(HARD, 4) + [target]:
            scores = [scorer.score(target, prediction)['rouge1'] for scorer in scorers]
            lines.append({'target': target, 'prediction': prediction} | numbers(scores))
    rows = (json.dumps(line, ensure_ascii=False, separators=(',', ':')) for line in lines)
    (OUT / 'rouge.jsonl').write_text(''.join(row + '\n' for row in rows))


def numbers(scores):
    return {name: [score.precision, score.recall, score.fmeasure] for name, score in zip(('plain', 'stemmed'),
    scores)}


def write_stems(draw):
    words = {word for name in ('corpus.jsonl', 'train.queries.jsonl') for _, text in texts(name)
             for word in re.findall('[a-z0-9]+', text.lower())}
    words = set(draw.sample(sorted(words), 1500))
    words |= {stem + a for stem in STEMS for a in PARTS}
    words |= {draw.choice(STEMS) + draw.choice(PARTS) + draw.choice(PARTS) for _ in range(1500)}
    words |= {'skies', 'dying', 'lying', 'tying', 'innings', 'inning', 'outings', 'outing', 'cannings', 'canning',
              'news',
              'howe', 'proceed', 'exceed', 'succeed', 'sky', 'a', 'is', 'y', 'ied', 'ies', 's'}
    words.discard('')
    stemmer = PorterStemmer()
    (OUT / 'stems.tsv').write_text(''.join(f'{word}\t{stemmer.stem(word)}\n' for word in sorted(words)))


def write_kappa(draw):
    cases = []
    for items in (1, 2, 5, 20, 200):
        for noise in (0.0, 0.3, 1.0):
            first = [draw.randint(1, 5) for _ in range(items)]
            second = [draw.randint(1, 5) if draw.random() < noise else score for score in first]
            case = {'first': first, 'second': second}
            for name, weights in (('none', None), ('linear', 'linear'), ('quadratic', 'quadratic')):
                with_labels = cohen_kappa_score(first, second, labels=[1, 2, 3, 4, 5], weights=weights)
                case[name] = None if with_labels != with_labels else float(with_labels)
            cases.append(case)
    (OUT / 'kappa.jsonl').write_text(''.join(json.dumps(case) + '\n' for case in cases))


def main():
    OUT.mkdir(exist_ok=True)
    draw = random.Random(1)
    write_rouge(draw)
    write_stems(draw)
    write_kappa(draw)


if __name__ == '__main__':
    main()
