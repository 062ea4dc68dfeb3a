#!/usr/bin/env python3
"""Check the default data set. Standard library only.

usage: check_data.py [DIRECTORY]     (default: the directory of this file)

Prints a summary; writes each violation to stderr and exits with 1 if there is any.
"""

import json
import math
import random
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

SPLITS = ("train", "test")
MIN_DOCUMENTS = 260
MIN_FIELDS = 8
MIN_QUERIES = {"train": 130, "test": 66}
DOCUMENT_WORDS = (35, 80)
REASONING_WORDS = (80, 160)
QUERY_SENTENCES = 2
MAX_RELEVANT = 5
MAX_FILE_BYTES = 200_000
MIN_UNSEEN = 0.5  # share of test-relevant documents that no train query needs
MAX_OVERLAP = 0.10  # mean share of a question's content words in a relevant document
MAX_BM25 = 0.40  # nDCG@10 of BM25 on the bare question

violations = []


def fail(message):
    violations.append(message)


def words(text):
    return re.findall(r"[a-z0-9]+", text.lower())


def read_lines(path):
    if not path.is_file():
        fail(f"{path.name}: missing")
        return []
    data = path.read_bytes()
    if len(data) >= MAX_FILE_BYTES:
        fail(f"{path.name}: {len(data)} bytes, limit {MAX_FILE_BYTES}")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        fail(f"{path.name}: not plain ASCII at byte {error.start}")
        text = data.decode("utf-8", "replace")
    if "\r" in text:
        fail(f"{path.name}: carriage return")
    if not text.endswith("\n"):
        fail(f"{path.name}: no newline at the end")
    return text.split("\n")[: -1 if text.endswith("\n") else None]


def read_jsonl(path, keys):
    rows = {}
    for number, line in enumerate(read_lines(path), 1):
        where = f"{path.name}:{number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            fail(f"{where}: not JSON: {error}")
            continue
        if not isinstance(row, dict) or sorted(row) != sorted(keys):
            fail(f"{where}: expected exactly the keys {', '.join(keys)}")
            continue
        broken = [key for key in keys if not isinstance(row[key], str) or not row[key]]
        if broken:
            fail(f"{where}: {', '.join(broken)}: not a non-empty string")
            continue
        for key in keys:
            if row[key] != " ".join(row[key].split()):
                fail(f"{where}: {key}: stray white space")
        if row["id"] in rows:
            fail(f"{where}: duplicate id {row['id']}")
        rows[row["id"]] = row
    return rows


def read_qrels(path, queries, corpus):
    relevant = defaultdict(set)
    for number, line in enumerate(read_lines(path), 1):
        where = f"{path.name}:{number}"
        columns = line.split("\t")
        if len(columns) != 4 or columns[1] != "0" or columns[3] != "1":
            fail(f"{where}: expected query-id, 0, document-id, 1 separated by tabs")
            continue
        query, _, document, _ = columns
        if query not in queries:
            fail(f"{where}: unknown query {query}")
        if document not in corpus:
            fail(f"{where}: unknown document {document}")
        if document in relevant[query]:
            fail(f"{where}: judged twice")
        relevant[query].add(document)
    for query in queries:
        if not 1 <= len(relevant.get(query, ())) <= MAX_RELEVANT:
            fail(f"{path.name}: {query}: {len(relevant.get(query, ()))} relevant documents")
    return relevant


def check_length(name, text, limits):
    count = len(text.split())
    if not limits[0] <= count <= limits[1]:
        fail(f"{name}: {count} words, expected {limits[0]} to {limits[1]}")


def check_duplicates(named_texts):
    seen = {}
    for name, text in named_texts:
        key = " ".join(words(text))
        if key in seen:
            fail(f"{name}: same text as {seen[key]}")
        seen[key] = name


class Bm25:
    def __init__(self, texts, k1=0.9, b=0.4):
        counts = [Counter(words(text)) for text in texts]
        lengths = [sum(count.values()) for count in counts]
        mean = sum(lengths) / len(lengths)
        frequency = Counter(word for count in counts for word in count)
        self.idf = {w: math.log(1 + (len(texts) - n + 0.5) / (n + 0.5)) for w, n in frequency.items()}
        self.weights = [
            {w: n * (k1 + 1) / (n + k1 * (1 - b + b * length / mean)) for w, n in count.items()}
            for count, length in zip(counts, lengths)
        ]

    def rank(self, text, depth):
        query = [word for word in words(text) if word in self.idf]
        scores = [sum(self.idf[w] * weight.get(w, 0.0) for w in query) for weight in self.weights]
        return sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:depth]


def ndcg10(ranked, relevant):
    gain = sum(1 / math.log2(rank + 2) for rank, document in enumerate(ranked) if document in relevant)
    return gain / sum(1 / math.log2(rank + 2) for rank in range(min(10, len(relevant))))


def overlap(query, document, common):
    asked = set(words(query)) - common
    return len(asked & set(words(document))) / max(1, len(asked))


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    corpus = read_jsonl(root / "corpus.jsonl", ["id", "text"])
    fields = Counter(name.rsplit("-", 1)[0] for name in corpus)
    if len(corpus) < MIN_DOCUMENTS or len(fields) < MIN_FIELDS:
        fail(f"corpus: {len(corpus)} documents in {len(fields)} fields")
    for name, row in corpus.items():
        if not re.fullmatch(r"[a-z]+-[0-9]{3}", name):
            fail(f"corpus: {name}: id not of the form field-000")
        check_length(name, row["text"], DOCUMENT_WORDS)

    queries, relevant = {}, {}
    for split in SPLITS:
        queries[split] = read_jsonl(root / f"{split}.queries.jsonl", ["id", "text", "reasoning_query"])
        relevant[split] = read_qrels(root / f"{split}.qrels.tsv", queries[split], corpus)
        if len(queries[split]) < MIN_QUERIES[split]:
            fail(f"{split}: {len(queries[split])} queries, expected {MIN_QUERIES[split]} or more")
        covered = {name.split("-")[1] for name in queries[split] if name.count("-") == 2}
        if covered != set(fields):
            fail(f"{split}: fields without a query or without documents: {covered ^ set(fields)}")
        for name, row in queries[split].items():
            check_length(name, row["reasoning_query"], REASONING_WORDS)
            if len(re.findall(r"[.!?]", row["text"])) < QUERY_SENTENCES:
                fail(f"{name}: a question needs {QUERY_SENTENCES} sentences or more")

    for name in set(queries["train"]) & set(queries["test"]):
        fail(f"{name}: query id in both splits")
    check_duplicates(
        [(name, row["text"]) for name, row in corpus.items()]
        + [(name, row["text"]) for split in SPLITS for name, row in queries[split].items()]
        + [(name + " (reasoning)", row["reasoning_query"]) for s in SPLITS for name, row in queries[s].items()]
    )

    used = {split: set().union(*relevant[split].values()) for split in SPLITS}
    unseen = len(used["test"] - used["train"]) / max(1, len(used["test"]))
    if unseen < MIN_UNSEEN:
        fail(f"only {unseen:.0%} of the test-relevant documents are unknown to train")

    print(f"documents  {len(corpus)} in {len(fields)} fields: "
          + ", ".join(f"{field} {count}" for field, count in fields.items()))
    print(f"relevant to no query  {len(set(corpus) - used['train'] - used['test'])} (distractors)")
    print(f"test-relevant documents unknown to train  {unseen:.0%}")
    if corpus and not violations:
        names = list(corpus)
        ranker = Bm25([corpus[name]["text"] for name in names])
        # A word of more than one document in twenty is no content word.
        frequency = Counter(word for row in corpus.values() for word in set(words(row["text"])))
        common = {word for word, count in frequency.items() if count > len(corpus) / 20}
        generator = random.Random(42)
        for split in SPLITS:
            near, far, scores = [], [], {"text": [], "reasoning_query": []}
            for name, row in queries[split].items():
                others = [other for other in names if other not in relevant[split][name]]
                near += [overlap(row["text"], corpus[d]["text"], common) for d in sorted(relevant[split][name])]
                far += [overlap(row["text"], corpus[d]["text"], common) for d in generator.sample(others, 20)]
                for field in scores:
                    ranked = [names[i] for i in ranker.rank(row[field], 10)]
                    scores[field].append(ndcg10(ranked, relevant[split][name]))
            near_mean, far_mean = sum(near) / len(near), sum(far) / len(far)
            bare, reasoned = (sum(scores[f]) / len(scores[f]) for f in ("text", "reasoning_query"))
            print(f"{split:5}  {len(queries[split])} queries, {len(near) / len(queries[split]):.2f} relevant each; "
                  f"content words shared with relevant {near_mean:.3f}, with random {far_mean:.3f}; "
                  f"BM25 nDCG@10 {bare:.3f}, with reasoning {reasoned:.3f}")
            if near_mean > MAX_OVERLAP:
                fail(f"{split}: questions share too many words with their documents: {near_mean:.3f}")
            if bare > MAX_BM25:
                fail(f"{split}: BM25 is not weak: {bare:.3f}")

    for message in violations:
        print(f"check_data: {message}", file=sys.stderr)
    print("ok" if not violations else f"{len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
