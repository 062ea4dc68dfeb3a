#!/usr/bin/env python3
"""Calls to a language model that are killed with SIGKILL at random moments, and started again each time, end with the
rows of a run that was left alone, and no call is paid twice except those in flight at a kill.

usage: remixer_kill_test.py PROGRAM [--kills N] [--calls N] [--seed S]        PROGRAM is remixer_job
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
                status, answer = self.answer(json.loads(body)['messages'][0]['content'])
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
        choice = {'message': {'content': f'{digest.hexdigest()} to "{prompt[:40]}"\n'}, 'finish_reason': 'stop'}
        return 200, {'choices': [choice], 'usage': {'prompt_tokens': len(prompt), 'completion_tokens': 7}}

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
        return {json.loads(row[0])[0]['content'] for row in rows}


def expect(condition, message):
    if not condition:
        raise SystemExit(message)


def start(program, directory, server, calls):
    directory.mkdir(exist_ok=True)
    return subprocess.Popen([program, str(directory), server.url, str(calls)], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE)


def finish(process):
    error = process.communicate()[1].decode()
    expect(process.returncode == 0, f'remixer_job ended with {process.returncode}: {error}')


def killed_run(program, server, directory, calls, chance, whole, kills):
    """Runs the job in a directory to its end, killing it up to `kills` times. Returns the number of kills and how many
    calls were paid twice."""
    done, paid, again = 0, collections.Counter(), 0
    while True:
        known = journalled(directory)
        process = start(program, directory, server, calls)
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
    parser.add_argument('--kills', type=int, default=100 if 'REASONEMBED_LONG_TESTS' in os.environ else 20)
    parser.add_argument('--calls', type=int, default=2000)
    parser.add_argument('--seed', type=int, default=None)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.randrange(1 << 30)
    print(f'seed {seed}', flush=True)
    chance, server = random.Random(seed), Server()
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        begin = time.monotonic()
        finish(start(arguments.program, root / 'alone', server, arguments.calls))
        whole = time.monotonic() - begin
        want = (root / 'alone/rows.jsonl').read_bytes()
        expect(want.count(b'\n') == arguments.calls // 2, 'a row is missing')
        alone = server.take()
        expect(len(alone) == sum(alone.values()) == arguments.calls, 'a call of the run left alone is paid twice')

        kills = rounds = again = 0
        while kills < arguments.kills:
            directory = root / f'killed{rounds}'
            rounds += 1
            server.turned_away.clear()
            done, twice = killed_run(arguments.program, server, directory, arguments.calls, chance, whole,
                                     arguments.kills - kills)
            kills, again = kills + done, again + twice
            expect((directory / 'rows.jsonl').read_bytes() == want,
                   f'after {kills} kills: other rows than the run that was left alone')
        print(f'{kills} kills in {rounds} run(s) of {arguments.calls} calls and {whole:.2f} s: the same rows to the byte; '
              f'{again} calls paid twice, all in flight at a kill ({again / max(kills, 1):.1f} a kill, of {IN_FLIGHT})')


if __name__ == '__main__':
    main()
