#!/usr/bin/env python3
"""`reasonembed encode` killed with SIGKILL at random moments and started again writes the bytes of a run left alone, and
`reasonembed inspect` reads a directory it has no weights of.

usage: encode_test.py REASONEMBED TRAIN_JOB            TRAIN_JOB leaves the model directory that is encoded with
"""
import array
import json
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time


def expect(condition, message):
    if not condition:
        raise SystemExit(message)


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True)


def encode(program, root, out, *more):
    return [str(c) for c in (program, 'encode', '--model', root / 'job/model', '--in', root / 'texts.jsonl', '--out', out,
                             '--shard', 40, '--threads', 1, *more)]


def test_kills(program, root):
    alone = root / 'alone.npy'
    start = time.monotonic()
    done = run(*encode(program, root, alone))
    whole = time.monotonic() - start
    expect(done.returncode == 0, done.stderr)
    want = alone.read_bytes()
    expect(b"'shape': (1000, 16)" in want[:128], f'header is {want[:128]}')
    expect(not pathlib.Path(f'{alone}.parts').exists(), 'parts are left behind')
    kills, killed = 0, root / 'killed.npy'
    for _ in range(200):
        process = subprocess.Popen(encode(program, root, killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(random.uniform(0.0, 0.8 * whole))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        if process.returncode == 0:
            break
    else:
        expect(run(*encode(program, root, killed)).returncode == 0, 'the last run fails')
    expect(killed.read_bytes() == want, f'after {kills} kills: other bytes than the run left alone')
    print(f'{kills} kills: the same bytes')


def test_refusals(program, root):
    out = root / 'parts.npy'
    process = subprocess.Popen(encode(program, root, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not pathlib.Path(f'{out}.parts/state.json').exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if pathlib.Path(f'{out}.parts').exists():
        other = run(*encode(program, root, out, '--role', 'query'))
        expect(other.returncode == 1 and 'role is "query", expected "document", as the run began' in other.stderr or
               'prompt is' in other.stderr, f'another role is taken: {other.stderr}')
    missing = run(*encode(program, root, root / 'x.npy', '--field', 'body'))
    expect(missing.returncode == 1 and 'texts.jsonl:1: body is missing' in missing.stderr, missing.stderr)
    nothing = run(program, 'encode', '--model', root, '--in', root / 'texts.jsonl', '--out', root / 'x.npy')
    expect(nothing.returncode == 1 and 'config.json: file is missing' in nothing.stderr, nothing.stderr)


def floats(path):
    """The numbers of a NumPy file of float32."""
    content = path.read_bytes()
    return array.array('f', content[10 + struct.unpack('<H', content[8:10])[0]:])


def test_bfloat16(program, root):
    """The model was saved in float32, and its contract says so."""
    out = root / 'narrow.npy'
    refused = run(*encode(program, root, out, '--dtype', 'bfloat16'))
    expect(refused.returncode == 1 and 'dtype is "bfloat16", expected "float32"' in refused.stderr, refused.stderr)
    done = run(*encode(program, root, out, '--dtype', 'bfloat16', '--verify', 'off'))
    expect(done.returncode == 0, done.stderr)
    wide, narrow = floats(root / 'alone.npy'), floats(out)
    expect(len(narrow) == len(wide) == 16000, f'{len(narrow)} numbers')
    for row in range(0, 16000, 16):
        cosine = sum(a * b for a, b in zip(wide[row:row + 16], narrow[row:row + 16]))
        expect(cosine > 0.9999, f'vector {row // 16} has a cosine of {cosine} with that of float32')
    expect(wide != narrow, 'the vectors are those of float32')


def test_inspect(program, root):
    """A Qwen3 of 8B whose weights are a hole in a file."""
    directory = root / 'sparse'
    directory.mkdir()
    sizes = dict(model_type='qwen3', vocab_size=151936, hidden_size=4096, num_hidden_layers=36, num_attention_heads=32,
                 num_key_value_heads=8, head_dim=128, intermediate_size=12288, max_position_embeddings=40960,
                 hidden_act='silu', rms_norm_eps=1e-6, rope_theta=1000000)
    (directory / 'config.json').write_text(json.dumps(sizes))
    shapes = {'embed_tokens.weight': [151936, 4096], 'norm.weight': [4096]}
    for i in range(36):
        layer = {'self_attn.q_proj': [4096, 4096], 'self_attn.k_proj': [1024, 4096], 'self_attn.v_proj': [1024, 4096],
                 'self_attn.o_proj': [4096, 4096], 'self_attn.q_norm': [128], 'self_attn.k_norm': [128],
                 'mlp.gate_proj': [12288, 4096], 'mlp.up_proj': [12288, 4096], 'mlp.down_proj': [4096, 12288],
                 'input_layernorm': [4096], 'post_attention_layernorm': [4096]}
        shapes |= {f'layers.{i}.{name}.weight': shape for name, shape in layer.items()}
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {'dtype': 'BF16', 'shape': shape, 'data_offsets': [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with open(directory / 'model.safetensors', 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text)
        file.truncate(8 + len(text) + end)
    start = time.monotonic()
    done = run(program, 'inspect', directory)
    seconds = time.monotonic() - start
    expect(done.returncode == 0, done.stderr)
    expect(f'parameters   {end // 2}, ' in done.stdout, done.stdout)
    expect('36 layers, width 4096, 32 heads (8 for keys and values) of 128, inner width 12288' in done.stdout,
           done.stdout)
    expect(f'weights      {end / 2**30:.2f} GiB as BF16' in done.stdout, done.stdout)
    for dtype, size in ('float32', 2 * end), ('bfloat16', end):  # panels are padded
        planned = re.search(rf'memory +([0-9.]+) GiB to encode in {dtype}: ([0-9.]+) GiB of weights', done.stdout)
        expect(planned, done.stdout)
        expect(size / 2**30 <= float(planned[2]) + 0.01 <= 1.02 * size / 2**30, done.stdout)
        expect(0.1 < float(planned[1]) - float(planned[2]) < 4, done.stdout)
    expect(seconds < 5, f'reading headers takes {seconds:.1f} s')


def main():
    program, job = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        (root / 'job').mkdir()
        done = run(job, root / 'job')
        expect(done.returncode == 0, done.stderr)
        with open(root / 'texts.jsonl', 'w') as file:
            for i in range(1000):
                file.write(json.dumps({'id': i, 'text': f'text {i} ' + 'word ' * (i % 9)}) + '\n')
        test_kills(program, root)
        test_refusals(program, root)
        test_bfloat16(program, root)
        test_inspect(program, root)
        shutil.rmtree(root / 'sparse')


if __name__ == '__main__':
    main()
