"""Tests of cmake/check_layers.py: each rule fires on an injected fault, and only there."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / 'cmake'))
import check_layers  # noqa: E402

CLEAN = {
    'version.hpp': '#pragma once\n',
    'core/view.hpp': '#pragma once\n#include <reasonembed/version.hpp>\n\n#include <vector>\n',
    'nn/linear.hpp': '#pragma once\n#include <reasonembed/core/view.hpp>\n',
    'io/json.hpp': '#pragma once\n#include <nlohmann/json.hpp>\n',
    'text/words.hpp': '#pragma once\n',
    'cuda/cuda.cuh': '#pragma once\n#include <reasonembed/core/view.hpp>\n',
    'distributed/mpi.hpp': '#pragma once\n',
}


def function(lines):
    """Returns a function whose body spans `lines` lines, braces included."""
    return 'inline int f(int x = 3) noexcept {\n' + '  x += 1;\n' * (lines - 2) + '}\n'


class CheckLayers(unittest.TestCase):
    def faults(self, changes, fix_umbrella=True):
        """Returns the faults of the clean tree with `changes` applied to it."""
        with tempfile.TemporaryDirectory() as root:
            repository = pathlib.Path(root)
            for name, text in (CLEAN | changes).items():
                path = repository / 'include/reasonembed' / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding='utf-8')
            if fix_umbrella:
                check_layers.Checker(repository).write_umbrella()
            return check_layers.Checker(repository).run()

    def assert_fault(self, changes, fault, **options):
        found = self.faults(changes, **options)
        self.assertEqual(len(found), 1, found)
        self.assertIn(fault, found[0])

    def test_clean_tree_has_no_faults(self):
        self.assertEqual(self.faults({}), [])

    def test_include_of_a_higher_layer(self):
        self.assert_fault({'core/up.hpp': '#pragma once\n#include <reasonembed/nn/linear.hpp>\n'},
                          'core/up.hpp: of layer 1 includes <reasonembed/nn/linear.hpp> of layer 4')

    def test_include_of_a_sibling_folder(self):
        self.assert_fault({'io/side.hpp': '#pragma once\n#include <reasonembed/text/words.hpp>\n'},
                          'io/side.hpp: includes <reasonembed/text/words.hpp> of a sibling folder')

    def test_include_of_the_umbrella(self):
        self.assertIn('include/reasonembed/train/all.hpp: includes the umbrella',
                      self.faults({'train/all.hpp': '#pragma once\n#include <reasonembed/reasonembed.hpp>\n'}))

    def test_include_of_cuda(self):
        self.assert_fault({'train/gpu.hpp': '#pragma once\n#include <reasonembed/cuda/cuda.cuh>\n'}, 'of layer 10')

    def test_include_of_a_missing_header(self):
        self.assert_fault({'nn/lost.hpp': '#pragma once\n#include <reasonembed/nn/none.hpp>\n'}, 'which does not exist')

    def test_cycle(self):
        self.assert_fault({'core/a.hpp': '#pragma once\n#include <reasonembed/core/b.hpp>\n',
                           'core/b.hpp': '#pragma once\n#include <reasonembed/core/a.hpp>\n'},
                          'core/a.hpp -> reasonembed/core/b.hpp -> reasonembed/core/a.hpp')

    def test_quoted_include(self):
        self.assert_fault({'nn/quoted.hpp': '#pragma once\n#include "linear.hpp"\n'}, 'has a quoted include')

    def test_banned_includes(self):
        for banned in ('iostream', 'regex', 'ranges'):
            self.assert_fault({'io/slow.hpp': f'#pragma once\n#  include <{banned}>\n'}, f'includes <{banned}>')

    def test_stable_sort_of_the_standard_library(self):
        self.assert_fault({'eval/order.hpp': '#pragma once\ninline void f(V& v) {\n  std::stable_sort(v.b(), v.e());\n}\n'},
                          'uses std::stable_sort')

    def test_json_outside_io(self):
        self.assert_fault({'model/config.hpp': '#pragma once\n#include <nlohmann/json.hpp>\n'}, 'which only io/ may')

    def test_missing_pragma_once(self):
        self.assert_fault({'nn/guard.hpp': '#ifndef GUARD\n#endif\n'}, 'does not begin with #pragma once')

    def test_character_outside_ascii(self):
        self.assert_fault({'nn/letters.hpp': '#pragma once\n// \u03b8\n'}, 'letters.hpp:2: has a character outside ASCII')

    def test_long_line(self):
        self.assertEqual(self.faults({'nn/wide.hpp': '#pragma once\n//' + 'x' * 118 + '\n'}), [])
        self.assert_fault({'nn/wide.hpp': '#pragma once\n//' + 'x' * 119 + '\n'}, 'wide.hpp:2: has 121 columns')

    def test_long_header(self):
        self.assertEqual(self.faults({'nn/long.hpp': '#pragma once\n' + '\n' * 399}), [])
        self.assert_fault({'nn/long.hpp': '#pragma once\n' + '\n' * 400}, 'has 401 lines, at most 400')

    def test_long_function(self):
        wrappers = [
            '{}',
            'namespace a::inline B::c {{\n{}}}\n',
            'template <class T = int>\n  requires(sizeof(T) > 1)\nclass alignas(64) A : public B<T> {{\n public:\n{}}};\n',
            'namespace n {{\nstruct S {{\n  int a = [] {{ return 1; }}();\n  std::array<int, 2> b{{1, 2}};\n{}}};\n}}\n',
        ]
        for wrapper in wrappers:
            with self.subTest(wrapper):
                self.assertEqual(self.faults({'nn/f.hpp': '#pragma once\n' + wrapper.format(function(50))}), [])
                self.assert_fault({'nn/f.hpp': '#pragma once\n' + wrapper.format(function(51))},
                                  'a function has 51 lines, at most 50')

    def test_long_operator_and_constructor(self):
        body = '{\n' + '  g();\n' * 49 + '}\n'
        for head in ('inline bool operator==(const A& a, const A& b) ', 'inline A& operator=(A&&) noexcept ',
                     'inline void f(std::vector<int> v = {}) ', 'inline A::A(int x) : x_(x), y_{x} '):
            with self.subTest(head):
                self.assert_fault({'nn/f.hpp': '#pragma once\n' + head + body}, 'a function has 51 lines')

    def test_braces_in_text_do_not_count(self):
        text = "inline int f() {\n  g(\"{\", '{', R\"(\n{\n)\");  // {\n  /* { */\n  return 1'000;\n}\n"
        self.assertEqual(self.faults({'nn/f.hpp': '#pragma once\n' + text + function(40) + function(40)}), [])

    def test_long_class_and_table_are_no_functions(self):
        rows = '  1,\n' * 80
        text = f'#pragma once\ninline constexpr int kTable[] = {{\n{rows}}};\nclass A {{\n' + '  int f();\n' * 80 + '};\n'
        self.assertEqual(self.faults({'nn/f.hpp': text}), [])

    def test_names(self):
        for word in ('fast', 'util', 'my', 'base', 'common'):
            self.assert_fault({f'nn/{word}_linear.hpp': '#pragma once\n'}, f'banned word `{word}`')
        self.assertEqual(self.faults({'nn/breakfast.hpp': '#pragma once\n'}), [])
        self.assert_fault({'nn/RmsNorm.hpp': '#pragma once\n'}, 'not named in snake_case')
        self.assert_fault({'nn/linear_impl.h': '#pragma once\n'}, 'neither .hpp nor .cuh')
        self.assertTrue(self.faults({'extras/linear.hpp': '#pragma once\n'}))

    def test_umbrella(self):
        head = '#pragma once\n#include <reasonembed/core/view.hpp>\n'
        complete = head + ''.join(f'#include <reasonembed/{name}>\n'
                                  for name in ('io/json.hpp', 'nn/linear.hpp', 'text/words.hpp'))
        self.assertEqual(self.faults({'reasonembed.hpp': complete}, fix_umbrella=False), [])
        self.assert_fault({'reasonembed.hpp': complete.replace('#include <reasonembed/nn/linear.hpp>\n', '')},
                          'does not include <reasonembed/nn/linear.hpp>', fix_umbrella=False)
        self.assert_fault({'reasonembed.hpp': complete + '#include <reasonembed/version.hpp>\n'},
                          'includes <reasonembed/version.hpp>, which it leaves out', fix_umbrella=False)
        self.assert_fault({'reasonembed.hpp': '#pragma once\n#include <reasonembed/text/words.hpp>\n'
                                              + complete[len('#pragma once\n'):].replace(
                                                  '#include <reasonembed/text/words.hpp>\n', '')},
                          'alphabetical', fix_umbrella=False)


if __name__ == '__main__':
    unittest.main()
