#!/usr/bin/env python3
"""What `reasonembed inspect`, `encode`, `export` and `calibrate` say and write, for a model with a contract and for static embeddings.

usage: program_test.py REASONEMBED TRAIN_JOB STATIC      TRAIN_JOB leaves a model, STATIC is a directory of embeddings
"""
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile


def expect(condition, message):
    if not condition:
        raise SystemExit(message)


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True)


def succeeds(*command):
    done = run(*command)
    expect(done.returncode == 0, f'{command}: {done.stderr}')
    return done.stdout


def fails(message, *command):
    done = run(*command)
    expect(done.returncode == 1 and message in done.stderr, f'{command}: {done.returncode}, {done.stderr}')


def says(text, *parts):
    for part in parts:
        expect(part in text, f'{part!r} is missing in\n{text}')


def test_inspect(program, model, root):
    says(succeeds(program, 'inspect', model), 'family       bert', 'contract     reasonembed_contract.json, sha256 ',
         '  file       config.json as stated', '  weights    model.safetensors as long as stated',
         '  golden     "salt and water"')
    says(succeeds(program, 'inspect', model, '--verify', 'full'), 'verified     every file and field', 'golden texts')
    changed = root / 'changed'
    shutil.copytree(model, changed)
    contract = json.loads((changed / 'reasonembed_contract.json').read_text())
    contract['pooling'] = 'cls'
    (changed / 'reasonembed_contract.json').write_text(json.dumps(contract))
    with open(changed / 'tokenizer.json', 'a') as tokenizer:
        tokenizer.write(' ')
    with open(changed / 'model.safetensors', 'r+b') as weights:
        weights.seek(-1, 2)
        byte = weights.read(1)
        weights.seek(-1, 2)
        weights.write(bytes([byte[0] ^ 1]))
    says(succeeds(program, 'inspect', changed), ', but its content has ', 'tokenizer.json NOT as stated',
         'config.json as stated', 'model.safetensors as long as stated')
    fails('tokenizer.json', program, 'inspect', changed, '--verify', 'fast')
    (changed / 'reasonembed_contract.json').unlink()
    says(succeeds(program, 'inspect', changed), 'contract     none')
    fails('expected a contract to verify', program, 'inspect', changed, '--verify', 'fast')
    (changed / 'reasonembed_contract.json').write_text('[]')
    fails('reasonembed_contract.json', program, 'inspect', changed)


def test_training_plan(program, model, static):
    train = [program, 'inspect', model, '--threads', 1, '--train', '--batch', 4, '--group', 3, '--query-tokens', 16,
             '--document-tokens', 32]
    whole = succeeds(*train)
    says(whole, 'Memory of a training run, in float32', 'weights  ', 'packed weights', 'gradients', 'optimizer',
         'kept activations', 'total  ', 'Cache options: chunk_tokens 1024, shards 2, keep_bytes 1073741824.')
    adapted = succeeds(*train, '--rank', 2, '--target', 'query', '--target', 'value', '--chunk-tokens', 64, '--keep', 0)
    says(adapted, 'chunk_tokens 64, shards 2, keep_bytes 0.')
    numbers = [int(line.split()[1]) for text in (whole, adapted) for line in text.splitlines()
               if line.startswith('gradients')]
    expect(numbers[1] < numbers[0] / 4, f'{numbers} numbers are trained')
    says(succeeds(*train, '--memory', 4), 'chunk_tokens 1024')
    fails('bytes, which chunks of 32 tokens take', *train, '--memory', 0.0001)
    fails('batch_size is 0, expected at least 1', *train[:6], '--batch', 0)
    fails('"nothing"', *train, '--rank', 2, '--target', 'nothing')
    fails('an encoder, which can be trained', program, 'inspect', static, '--train')
    expect(run(program, 'inspect', model, '--rank', 2).returncode not in (0, 1), '--rank is taken without --train')


def test_static(program, static, root):
    says(succeeds(program, 'inspect', static), 'static embeddings of sentence-transformers', 'parameters   120',
         'of unit length', 'contract     none')
    texts, out = root / 'static.jsonl', root / 'static.npy'
    texts.write_text('{"text": "why does salt draw water"}\n{"text": "light"}\n')
    says(succeeds(program, 'encode', '--model', static, '--in', texts, '--out', out), '2 texts, 6 numbers each')
    content = out.read_bytes()
    expect(len(content) == 128 + 4 * 12, f'{out} has {len(content)} bytes')
    square = sum(x * x for x in struct.unpack('<6f', content[128:152]))
    expect(abs(square - 1.0) < 1e-6, f'the first vector has length {square ** 0.5}')
    fails('static embeddings', program, 'export', '--model', static, '--out', root / 'static.onnx')


def test_export(program, model, root):
    says(succeeds(program, 'export', '--model', model, '--out', root / 'a.onnx'), 'a.onnx')
    succeeds(program, 'export', '--model', model, '--out', root / 'b.onnx')
    content = (root / 'a.onnx').read_bytes()
    expect(content == (root / 'b.onnx').read_bytes(), 'two exports differ')
    says(content.decode('latin-1'), 'input_ids', 'attention_mask', 'sentence_embedding', 'token_embeddings')
    succeeds(program, 'export', '--model', model, '--out', root / 'c.onnx', '--external-data')
    data = (root / 'c.onnx.data').stat().st_size
    expect(0 < data < len(content) and (root / 'c.onnx').stat().st_size < len(content), f'{data} bytes beside the file')

    bare = root / 'bare'
    shutil.copytree(model, bare)
    for name in ['modules.json', 'config_sentence_transformers.json', 'reasonembed_contract.json']:
        (bare / name).unlink()
    out = root / 'layout'
    command = [program, 'export', '--model', bare, '--out', out, '--format', 'sentence-transformers']
    fails('pooling is said by nobody', *command)
    succeeds(*command, '--pooling', 'mean', '--query-prompt', 'query: ')
    says(succeeds(program, 'inspect', out, '--verify', 'full'), 'query        prompt "query: "', 'verified')
    says((out / 'README.md').read_text(), 'library_name: sentence-transformers', '| pooling | mean |')
    fails('a saved model', *command, '--pooling', 'mean')
    fails('config.json', program, 'export', '--model', root / 'nowhere', '--out', root / 'x.onnx')
    expect(run(program, 'export', '--model', model, '--out', 'x', '--format', 'gguf').returncode != 0, 'gguf is taken')


def test_int8(program, model, root):
    copy = root / 'int8'
    shutil.copytree(model, copy)
    texts = root / 'int8.jsonl'
    texts.write_text('{"text": "why does salt draw water"}\n{"text": "light"}\n')
    encode = [program, 'encode', '--model', copy, '--in', texts, '--dtype', 'int8', '--out']
    says(succeeds(*encode, root / 'plain.npy'), '2 texts')
    calibrate = [program, 'calibrate', '--model', copy, '--in', texts]
    says(succeeds(*calibrate), 'blocks.0.mlp.up.weight', '2 texts; 0 of 12 projections stay in bfloat16')
    succeeds(*encode, root / 'calibrated.npy')
    expect((root / 'plain.npy').read_bytes() == (root / 'calibrated.npy').read_bytes(), 'a calibration changed vectors')
    says(succeeds(*calibrate, '--limit', '0'), '12 of 12 projections stay in bfloat16')
    succeeds(*encode, root / 'kept.npy')
    expect((root / 'plain.npy').read_bytes() != (root / 'kept.npy').read_bytes(), 'the calibration was not read')
    with open(copy / 'model.safetensors', 'r+b') as weights:
        weights.seek(-1, 2)
        weights.write(b'\x3e')
    fails('model.safetensors', *encode, root / 'x.npy')  # the contract says it first
    (copy / 'reasonembed_contract.json').unlink()
    fails('reasonembed_int8.json: weights is others than those beside it, expected these: calibrate again', *encode,
          root / 'x.npy')
    succeeds(*encode, root / 'x.npy', '--verify', 'off')
    fails('texts is none, expected at least one', *calibrate[:-1], '/dev/null')


def test_mine(program, static, root):
    if 'mine' not in succeeds(program, '--help'):
        return  # built without the language models
    corpus, vectors, config = root / 'corpus.jsonl', root / 'corpus.npy', root / 'mine.toml'
    texts = ['why does salt', 'light', 'water why', 'draw', 'salt']
    corpus.write_text(''.join(json.dumps({'id': str(i), 'title': 'water', 'text': text}) + '\n'
                              for i, text in enumerate(texts)))
    (root / 'generated.jsonl').write_text('{"query": "salt", "source": "water salt", "source_id": "4"}\n')
    mine = [program, 'mine', '--config', config, '--in', root / 'generated.jsonl', '--out']
    about = f'out = "{root / "mine"}"\n[[task]]\nname = "own"\ncorpus = "{corpus}"\ndomain = "d"\nquery_form = "q"\n' \
            f'relevance = "r"\n[mine]\nretriever = "dense"\nmodel = "{static}"\n'
    encode = [program, 'encode', '--model', static, '--in', corpus, '--out', vectors]
    config.write_text(about)
    says(succeeds(*mine, root / 'memory.jsonl'), 'mine_candidates: 1 in, 1 out', '1 candidates that were the source')
    config.write_text(about + f'vectors = "{vectors}"\n')
    fails(f'{vectors}: file is missing', *mine, root / 'none.jsonl')
    succeeds(*encode, '--corpus')
    succeeds(*mine, root / 'disk.jsonl')
    expect((root / 'disk.jsonl').read_text() == (root / 'memory.jsonl').read_text(), 'vectors on disk mine otherwise')
    succeeds(*encode)  # without the titles
    fails('row 0: cosine with the vector that the model gives document 0 is', *mine, root / 'none.jsonl')
    corpus.write_text(corpus.read_text() + '{"id": "5", "text": "draw"}\n')
    few = f'{vectors}: number of vectors is 5, expected 6, one for each document of the corpus'
    fails(few, *mine, root / 'none.jsonl')
    expect(not (root / 'none.jsonl').exists() and not list((root / 'mine').iterdir()), 'something is left')


def main(program, train_job, static):
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        (root / 'job').mkdir()
        succeeds(train_job, root / 'job')
        test_inspect(program, root / 'job/model', root)
        test_training_plan(program, root / 'job/model', static)
        test_mine(program, pathlib.Path(static), root)
        test_static(program, static, root)
        test_export(program, root / 'job/model', root)
        test_int8(program, root / 'job/model', root)


if __name__ == '__main__':
    main(*sys.argv[1:])
