"""Tests of cmake/check_docs.py: a page may show only code that is compiled."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / 'cmake' / 'check_docs.py'
EXAMPLE = '''#include <x>
int main() {
  // example-begin search
  int a = 1;
  // example-begin inner
    int b = 2;
  // example-end inner
  // example-end search
}
'''
SEARCH = 'int a = 1;\n  int b = 2;\n'


def block(source, code, language='cpp'):
    return f'# Page\n\n{source}\n```{language}\n{code}```\n'


class CheckDocs(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        (self.root / 'examples').mkdir()
        (self.root / 'docs').mkdir()
        (self.root / 'examples/02_encode.cpp').write_text(EXAMPLE)

    def run_on(self, page, *options, name='README.md'):
        (self.root / name).write_text(page)
        result = subprocess.run([sys.executable, '-B', SCRIPT, *options, self.root], capture_output=True, text=True)
        return result.returncode, result.stdout

    def assert_fault(self, page, fault, **options):
        status, out = self.run_on(page, **options)
        self.assertEqual(status, 1, out)
        self.assertIn(fault, out)

    def test_equal_code_passes(self):
        self.assertEqual(self.run_on(block('<!-- example: examples/02_encode.cpp#search -->', SEARCH))[0], 0)
        self.assertEqual(self.run_on(block('<!-- example: examples/02_encode.cpp -->', EXAMPLE))[0], 0)

    def test_changed_code_is_a_fault(self):
        self.assert_fault(block('<!-- example: examples/02_encode.cpp#search -->', 'int a = 2;\n'),
                          'README.md:4: differs from examples/02_encode.cpp#search')

    def test_code_without_a_source_is_a_fault(self):
        for language in ('cpp', 'cmake', 'CPP'):
            self.assert_fault(block('', 'int a;\n', language), 'code without `<!-- example: PATH#NAME -->`')
        self.assertEqual(self.run_on(block('', 'bash cmake/quickstart.sh\n', 'sh'))[0], 0)

    def test_pages_of_docs_are_checked(self):
        self.assert_fault(block('', 'int a;\n'), 'docs/page.md:4', name='docs/page.md')

    def test_source_must_stand_right_before_the_block(self):
        self.assert_fault(block('<!-- example: examples/02_encode.cpp#search -->\nSome text.', SEARCH), 'code without')

    def test_missing_examples_are_faults(self):
        self.assert_fault(block('<!-- example: examples/02_encode.cpp#none -->', SEARCH), 'no `example-begin none`')
        self.assert_fault(block('<!-- example: examples/none.cpp#search -->', SEARCH), 'is not a file')
        self.assert_fault(block('<!-- example: docs/CMakeLists.txt -->', ''), 'is not a file of examples/ or tests/')

    def test_open_block_is_a_fault(self):
        self.assert_fault('```sh\nls\n', 'a code block that never ends')

    def test_fix_copies_the_code(self):
        page = block('<!-- example: examples/02_encode.cpp#search -->', 'old\n') + 'End.\n'
        self.assertEqual(self.run_on(page, '--fix')[0], 0)
        self.assertEqual((self.root / 'README.md').read_text(),
                         block('<!-- example: examples/02_encode.cpp#search -->', SEARCH) + 'End.\n')
        self.assertEqual(self.run_on((self.root / 'README.md').read_text())[0], 0)

    def test_dead_links_are_faults(self):
        self.assert_fault('See [notation](docs/notation.md).\n', 'links to docs/notation.md')
        self.assertEqual(self.run_on('See [this](docs), [that](https://example.org/x) and `[i](j)`, [h](#head).\n')[0], 0)


if __name__ == '__main__':
    unittest.main()
