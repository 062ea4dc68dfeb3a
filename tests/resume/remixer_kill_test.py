#!/usr/bin/env python3
"""Calls to a language model that are killed with SIGKILL at random moments, and started again each time, end with the
rows of a run that was left alone, and no call is paid twice except those in flight at a kill.

usage: remixer_kill_test.py PROGRAM [--synthesize] [--kills N] [--calls N] [--seed S]

PROGRAM is remixer_job; with --synthesize it is `reasonembed`, whose command of that name makes rows of 60 documents.
"""
import argparse
import asyncio
import collections
import contextlib
import hashlib
import json
import os
import pathlib
import random
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time

IN_FLIGHT = 64


class Server:
    """Answers every prompt with a function of it, after a few milliseconds; every seventh request is turned away at
    first. A request that is not turned away counts as paid from the moment it has arrived."""

    def __init__(self):
        self.paid = collections.Counter()
        self.turned_away = set()
        self.open = 0
        self.lock = threading.Lock()
        started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self.serve(started)), daemon=True).start()
        started.wait()

    async def serve(self, started):
        server = await asyncio.start_server(self.connection, '127.0.0.1', 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        self.url = f'http://127.0.0.1:{self.port}/v1/chat/completions'
        started.set()
        await server.serve_forever()

    async def connection(self, reader, writer):
        self.open += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b'\r\n\r\n')).decode().lower()
                if head.startswith('get'):
                    writer.write(b'HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n')
                    continue
                length = int(head.split('content-length:')[1].split('\r\n')[0])
                body = await reader.readexactly(length)
                status, answer = self.answer(json.loads(body)['messages'][-1]['content'])
                digest = hashlib.sha256(body).digest()
                await asyncio.sleep(0.002 + 0.03 * digest[0] / 255)
                text = json.dumps(answer)
                writer.write(f'HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}'
                             f'\r\n\r\n{text}'.encode())
                await writer.drain()
        self.open -= 1
        writer.close()

    def answer(self, prompt):
        digest = hashlib.sha256(prompt.encode())
        with self.lock:
            if digest.digest()[1] % 7 == 0 and prompt not in self.turned_away:
                self.turned_away.add(prompt)
                return 503, {'error': {'message': 'busy'}}
            self.paid[prompt] += 1
        choice = {'message': {'content': self.text(prompt, digest.hexdigest())}, 'finish_reason': 'stop'}
        return 200, {'choices': [choice], 'usage': {'prompt_tokens': len(prompt), 'completion_tokens': 7}}

    @staticmethod
    def text(prompt, digest):
        """A query, a score or a query with its reasoning, where the prompt asks for one, and some text elsewhere."""
        if '<document>' in prompt and '<query>' in prompt:
            return f'It says so in {digest[:8]}.\n<score>{1 + int(digest[:4], 16) % 5}</score>'
        if '<document>' in prompt:
            return f'"Why is topic{int(digest[:2], 16) % 12} like {digest}?"'
        return f'{digest} to "{prompt[:40]}"\n'

    def take(self):
        """Returns what was paid since the last time. Waits for requests that a killed client has left in sockets: a
        connection made now is accepted after all of the client's, and those end when they are read to their end."""
        with socket.create_connection(('127.0.0.1', self.port)) as last:
            last.sendall(b'GET / HTTP/1.1\r\n\r\n')
            last.recv(1000)
        while self.open > 0:
            time.sleep(0.001)
        with self.lock:
            paid, self.paid = self.paid, collections.Counter()
            return paid


def journalled(directory):
    """Returns the prompts whose answers a journal holds."""
    path = directory / 'journal.sqlite'
    if not path.exists() or path.stat().st_size == 0:
        return set()
    with contextlib.closing(sqlite3.connect(path)) as database:
        if not database.execute('SELECT count(*) FROM sqlite_master').fetchone()[0]:
            return set()
        rows = database.execute('SELECT messages FROM calls JOIN prompts ON call = id WHERE fault IS NULL')
        return {json.loads(row[0])[-1]['content'] for row in rows}


def expect(condition, message):
    if not condition:
        raise SystemExit(message)


class RemixerJob:
    """Two stages of calls."""

    def __init__(self, program, calls):
        self.program, self.calls = program, calls

    def command(self, directory, server):
        return [self.program, str(directory), server.url, str(self.calls)]

    def rows(self, directory):
        rows = (directory / 'rows.jsonl').read_bytes()
        expect(rows.count(b'\n') == self.calls // 2, 'a row is missing')
        return rows


class Synthesize:
    """The program: 40 queries, up to eight candidates of each, and a query with its reasoning for each row."""

    def __init__(self, program):
        self.program = program

    def command(self, directory, server):
        (directory / 'corpus.jsonl').write_text(''.join(
            json.dumps({'id': f'd{i}', 'text': f'Passage {i} on topic{i % 12}. ' + f'Something about topic{i % 7}. ' * 12})
            + '\n' for i in range(60)))
        (directory / 'remix.toml').write_text(f"""
            out = "{directory}/out"
            journal = "{directory}/journal.sqlite"
            [model]
            url = "{server.url}"
            name = "test-model"
            key_environment = ""
            proxy = ""
            in_flight = {IN_FLIGHT}
            retries = 20
            first_wait = 0.01
            longest_wait = 0.1
            price_prompt = 1.0
            [sample]
            most_documents = 40
            [mine]
            kept = 8
            threads = 1
            [[task]]
            name = "topics"
            corpus = "{directory}/corpus.jsonl"
            domain = "topics"
            query_form = "a question"
            relevance = "it is on the topic"
            """)
        return [self.program, 'synthesize', '--config', str(directory / 'remix.toml')]

    def rows(self, directory):
        self.check_status(directory)
        rows = (directory / 'out/rows/topics.jsonl').read_bytes()
        expect(rows.count(b'\n') >= 20, 'rows are missing')
        return rows

    def check_status(self, directory):
        """The journal of a run that has ended has nothing left, and its views have what the stages' files have."""
        status = subprocess.run([self.program, 'synthesize', '--status', '--config', str(directory / 'remix.toml')],
                                capture_output=True, text=True, check=True).stdout.splitlines()[1:]
        stages = [line.split() for line in status]
        expect([line[0] for line in stages] ==
               ['generate_queries', 'mine_candidates', 'annotate_relevance', 'write_reasoning_queries'], status)
        expect(all(line[2] == '0' and line[3] == '0' for line in stages), status)
        with contextlib.closing(sqlite3.connect(directory / 'journal.sqlite')) as journal:
            queries = {row[0] for row in journal.execute('SELECT query FROM generated_queries')}
            labels = {tuple(row) for row in journal.execute('SELECT query, score FROM annotations')}
        labelled = [json.loads(line) for line in (directory / 'out/topics/labelled.jsonl').read_text().splitlines()]
        expect(queries == {row['query'] for row in labelled}, 'the journal shows other queries')
        expect(labels == {(row['query'], label) for row in labelled for label in row['labels']},
               'the journal shows other annotations')


def start(job, directory, server):
    directory.mkdir(exist_ok=True)
    return subprocess.Popen(job.command(directory, server), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process):
    error = process.communicate()[1].decode()
    expect(process.returncode == 0, f'{process.args} ended with {process.returncode}: {error}')


def killed_run(job, server, directory, calls, chance, whole, kills):
    """Runs the job in a directory to its end, killing it up to `kills` times. Returns the number of kills and how many
    calls were paid twice."""
    done, paid, again = 0, collections.Counter(), 0
    while True:
        known = journalled(directory)
        process = start(job, directory, server)
        try:
            process.wait(chance.uniform(0.0, 0.5 * whole) if done < kills else None)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            done += 1
        finished = process.returncode == 0
        if process.returncode not in (0, -signal.SIGKILL):
            finish(process)
        now = server.take()
        expect(max(now.values(), default=1) == 1, 'one run pays a call twice')
        twice = known & set(now)
        expect(not twice, f'{len(twice)} calls whose answer was in the journal are paid again, such as {min(twice, default="")}')
        lost = set(now) - journalled(directory)
        expect(len(lost) <= IN_FLIGHT, f'{len(lost)} paid answers are lost, with {IN_FLIGHT} in flight')
        again += len(set(now) & set(paid))
        paid += now
        if finished:
            expect(len(paid) == calls, f'{len(paid)} of {calls} calls were made')
            return done, again


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('program')
    parser.add_argument('--synthesize', action='store_true')
    parser.add_argument('--kills', type=int, default=100 if 'REASONEMBED_LONG_TESTS' in os.environ else 20)
    parser.add_argument('--calls', type=int, default=2000)
    parser.add_argument('--seed', type=int, default=None)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.randrange(1 << 30)
    print(f'seed {seed}', flush=True)
    chance, server = random.Random(seed), Server()
    program = arguments.program
    job = Synthesize(program) if arguments.synthesize else RemixerJob(program, arguments.calls)
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        begin = time.monotonic()
        finish(start(job, root / 'alone', server))
        whole = time.monotonic() - begin
        want = job.rows(root / 'alone')
        alone = server.take()
        calls = len(alone)
        expect(sum(alone.values()) == calls, 'a call of the run left alone is paid twice')
        expect(arguments.synthesize or calls == arguments.calls, f'{calls} of {arguments.calls} calls were made')

        kills = rounds = again = 0
        while kills < arguments.kills:
            directory = root / f'killed{rounds}'
            rounds += 1
            server.turned_away.clear()
            done, twice = killed_run(job, server, directory, calls, chance, whole, arguments.kills - kills)
            kills, again = kills + done, again + twice
            expect(job.rows(directory) == want,
                   f'after {kills} kills: other rows than the run that was left alone')
        print(f'{kills} kills in {rounds} run(s) of {calls} calls and {whole:.2f} s: the same rows to the byte; '
              f'{again} calls paid twice, all in flight at a kill ({again / max(kills, 1):.1f} a kill, of {IN_FLIGHT})')


if __name__ == '__main__':
    main()
