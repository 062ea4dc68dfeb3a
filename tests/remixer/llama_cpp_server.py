#!/usr/bin/env python3
"""The client against a server that this project did not write: llama-cpp-python's, with a random Llama of 0.13 million
parameters that is made here. The answers are noise; the protocol is real.

usage: llama_cpp_server.py ASK_SERVER            needs the Python packages llama-cpp-python[server], gguf and numpy
"""
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

KEY = 'sk-local-0123456789abcdef'


def write_model(path):
    """A Llama with a byte vocabulary."""
    import gguf
    import numpy as np
    width, layers, heads, inner = 64, 2, 4, 128
    tokens = [b'<unk>', b'<s>', b'</s>'] + [f'<0x{i:02X}>'.encode() for i in range(256)]
    tokens += [bytes([i]) if i != 32 else '\u2581'.encode() for i in range(32, 127)]
    types = [2, 3, 3] + [6] * 256 + [1] * 95  # unknown, control, byte, normal
    writer = gguf.GGUFWriter(str(path), 'llama')
    writer.add_context_length(2048)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_rope_dimension_count(width // heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model('llama')
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 259 + [-float(i) for i in range(95)])
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    random = np.random.default_rng(7)

    def add(name, *shape):
        values = np.ones(shape) if name.endswith('norm.weight') else random.normal(0, 0.3, shape)
        writer.add_tensor(name, values.astype(np.float32))

    add('token_embd.weight', len(tokens), width)
    add('output_norm.weight', width)
    add('output.weight', len(tokens), width)
    for i in range(layers):
        for name in ('attn_norm', 'ffn_norm'):
            add(f'blk.{i}.{name}.weight', width)
        for name in ('attn_q', 'attn_k', 'attn_v', 'attn_output'):
            add(f'blk.{i}.{name}.weight', width, width)
        add(f'blk.{i}.ffn_gate.weight', inner, width)
        add(f'blk.{i}.ffn_up.weight', inner, width)
        add(f'blk.{i}.ffn_down.weight', width, inner)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def free_port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


def wait_for(port, process, log):
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f'the server ended:\n{log.read_text()[-3000:]}')
        with socket.socket() as probe:
            if probe.connect_ex(('127.0.0.1', port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit('the server does not start')


def expect(condition, message):
    if not condition:
        raise SystemExit(message)


def ask(program, url, calls, journal, key=KEY):
    done = subprocess.run([program, url, 'tiny', str(calls), str(journal)], capture_output=True, text=True,
                          env={**os.environ, 'REASONEMBED_TEST_KEY': key})
    expect(done.returncode == 0, done.stderr)
    expect(key not in done.stdout + done.stderr, 'the key is shown')
    print(done.stdout, end='')
    return json.loads(done.stdout)


def check_client(program, url, root):
    answered = ask(program, url, 40, root / 'journal.sqlite')
    ends = answered['ends']
    expect(sum(ends.values()) == 40, f'{sum(ends.values())} of 40 calls ended')
    expect(set(ends) <= {'length', 'stop', 'empty'}, f'ends are {ends}')
    expect(ends.get('length', 0) > 0, 'no answer was cut at 24 tokens')
    expect(answered['prompt_tokens'] > 40 * 10 and answered['completion_tokens'] > 0, 'no tokens are counted')
    again = ask(program, url, 40, root / 'journal.sqlite')
    expect(again['found'] == 40 - ends.get('empty', 0), 'an answer of the journal is asked for again')
    expect(again['bytes'] >= answered['bytes'], 'the journal gives other answers')
    wrong = ask(program, url, 3, root / 'wrong.sqlite', key='sk-wrong-0123456789abcdef')
    expect(wrong['ends'] == {'refused': 3} and wrong['requests'] == 3, f'a wrong key ends as {wrong["ends"]}')
    expect('status is 401' in wrong['message'], wrong['message'])
    missing = ask(program, url.replace('chat/completions', 'chat/nothing'), 1, root / 'missing.sqlite')
    expect(missing['ends'] == {'refused': 1} and 'status is 404' in missing['message'], missing['message'])


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        write_model(root / 'tiny.gguf')
        port, log = free_port(), root / 'server.log'
        with open(log, 'w') as file:
            server = subprocess.Popen([sys.executable, '-m', 'llama_cpp.server', '--model', str(root / 'tiny.gguf'),
                                       '--model_alias', 'tiny', '--port', str(port), '--api_key', KEY, '--n_ctx', '1024',
                                       '--n_threads', '1'], stdout=file, stderr=subprocess.STDOUT)
        try:
            wait_for(port, server, log)
            check_client(program, f'http://127.0.0.1:{port}/v1/chat/completions', root)
        finally:
            server.terminate()
            server.wait()
    print('llama-cpp-python answers, refuses and counts as the client expects')


if __name__ == '__main__':
    main()
