"""Tests of cmake/embed_prompts.py: the compiled prompts are the pages."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / 'cmake' / 'embed_prompts.py'
HEADER = 'include/reasonembed/remixer/default_prompts.hpp'


class EmbedPrompts(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        shutil.copytree(ROOT / 'docs/prompts', self.root / 'docs/prompts')
        (self.root / HEADER).parent.mkdir(parents=True)

    def run_script(self, *options):
        result = subprocess.run([sys.executable, '-B', SCRIPT, *options, self.root], capture_output=True, text=True)
        return result.returncode, result.stdout + result.stderr

    def test_a_missing_header_is_a_fault_and_is_written(self):
        self.assertEqual(self.run_script()[0], 1)
        self.assertEqual(self.run_script('--fix')[0], 0)
        self.assertEqual(self.run_script()[0], 0)
        self.assertEqual((self.root / HEADER).read_text(), (ROOT / HEADER).read_text())

    def test_a_changed_page_is_a_fault(self):
        self.run_script('--fix')
        page = self.root / 'docs/prompts/filter_domain.md'
        page.write_text(page.read_text() + '\nPlease.\n')
        status, out = self.run_script()
        self.assertEqual(status, 1)
        self.assertIn('run cmake/embed_prompts.py --fix', out)
        self.run_script('--fix')
        self.assertIn('Please.', (self.root / HEADER).read_text())

    def test_a_page_more_or_less_is_a_fault(self):
        self.run_script('--fix')
        (self.root / 'docs/prompts/filter_domain.law.md').write_text('## user\nLaw? {{domain}} {{document}}\n')
        self.assertEqual(self.run_script()[0], 1)
        self.run_script('--fix')
        self.assertIn('{"filter_domain.law", R"md(## user', (self.root / HEADER).read_text())
        (self.root / 'docs/prompts/filter_domain.law.md').unlink()
        self.assertEqual(self.run_script()[0], 1)

    def test_the_readme_is_no_prompt(self):
        self.run_script('--fix')
        (self.root / 'docs/prompts/README.md').write_text('changed')
        self.assertEqual(self.run_script()[0], 0)

    def test_the_end_of_a_raw_string_is_refused(self):
        (self.root / 'docs/prompts/filter_domain.md').write_text('## user\n)md" {{domain}} {{document}}\n')
        status, out = self.run_script('--fix')
        self.assertEqual(status, 1)
        self.assertIn('docs/prompts/filter_domain.md', out)


if __name__ == '__main__':
    unittest.main()
