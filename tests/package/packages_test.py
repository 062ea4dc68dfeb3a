"""Tests of cmake/packages.sh with stand-ins for apt and dpkg: nothing is installed."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / 'cmake' / 'packages.sh'
TOOLS = ('bash', 'cat', 'cut', 'tr', 'grep', 'env')


class Packages(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.bin = pathlib.Path(scratch.name)
        self.log = self.bin / 'log'
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))

    def add(self, name, script):
        (self.bin / name).write_text(f'#!/bin/bash\n{script}\n')
        (self.bin / name).chmod(0o755)

    def add_debian(self, missing, user=0):
        """Adds a Debian on which only the packages `missing` are not installed."""
        self.add('dpkg-query', f'[[ " {missing} " == *" $3 "* ]] && exit 1; printf installed')
        self.add('apt-get', f'echo "$DEBIAN_FRONTEND apt-get $*" >>{self.log}')
        self.add('id', f'echo {user}')

    def run_set(self, name):
        return subprocess.run([self.bin / 'bash', '-c', f'set -eu; source {SCRIPT}; reasonembed_packages {name}'],
                              env={'PATH': str(self.bin), 'HOME': os.environ.get('HOME', '/')}, capture_output=True,
                              text=True)

    def test_nothing_is_said_or_done_when_all_is_there(self):
        self.add_debian(missing='')
        for name in ('build', 'test', 'full'):
            result = self.run_set(name)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, '', ''))
        self.assertFalse(self.log.exists())

    def test_only_what_is_missing_is_installed_with_its_reason(self):
        self.add_debian(missing='libxsimd-dev libutf8proc-dev')
        result = self.run_set('build')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r'libxsimd-dev +SIMD\n')
        self.assertRegex(result.stdout, r'libutf8proc-dev +Unicode for the tokenizers\n')
        self.assertEqual(self.log.read_text().splitlines(), [
            'noninteractive apt-get update -qq',
            'noninteractive apt-get install -y -qq --no-install-recommends libxsimd-dev libutf8proc-dev'])

    def test_sets_grow(self):
        self.add_debian(missing='doctest-dev clang-tidy-19')
        self.assertEqual(self.run_set('build').stdout, '')
        self.assertNotIn('clang-tidy-19', self.run_set('test').stdout)
        self.assertIn('clang-tidy-19', self.run_set('full').stdout)

    def test_user_goes_through_sudo(self):
        self.add_debian(missing='libxsimd-dev', user=1000)
        result = self.run_set('build')
        self.assertEqual(result.returncode, 1)
        self.assertIn('installing needs root', result.stderr)
        self.add('sudo', f'echo "sudo $*" >>{self.log}; "$@"')
        self.assertEqual(self.run_set('build').returncode, 0)
        self.assertIn('sudo env DEBIAN_FRONTEND=noninteractive apt-get install', self.log.read_text())

    def test_failing_apt_stops(self):
        self.add_debian(missing='libxsimd-dev')
        self.add('apt-get', 'exit 100')
        result = self.run_set('build')
        self.assertEqual(result.returncode, 1)
        self.assertIn('apt could not install: libxsimd-dev', result.stderr)

    def test_another_system_is_told_the_names(self):
        result = self.run_set('test')
        self.assertEqual(result.returncode, 1)
        self.assertIn('This system has no apt', result.stderr)
        for name in ('g++', 'cmake', 'libeigen3-dev', 'doctest-dev'):
            self.assertRegex(result.stderr, rf'\n  {name.replace("+", "[+]")} +\w')
        self.assertEqual(result.stdout, '')

    def test_another_system_with_everything_passes(self):
        for command in ('g++', 'cmake', 'ninja', 'ccache', 'git', 'python3', 'pip3', 'openssl', 'clang++-19'):
            self.add(command, 'exit 0')
        result = self.run_set('test')
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, '', ''))


if __name__ == '__main__':
    unittest.main()
