"""The compiler as a user's target calls it, for the checks that compile something themselves."""
import pathlib
import resource
import subprocess

INCLUDE = pathlib.Path(__file__).resolve().parent.parent / 'include'


class Compiler:
    """A C++ compiler with the include directories of reasonembed::reasonembed."""

    @staticmethod
    def add_arguments(parser):
        parser.add_argument('--compiler', default='g++')
        parser.add_argument('--include', default='/usr/include/eigen3', help='directories, separated by semicolons')

    def __init__(self, arguments):
        # /usr/include must keep its place in the compiler's own order, or #include_next finds nothing.
        known = ('', '/usr/include', str(INCLUDE))
        third_party = [path for path in arguments.include.split(';') if path not in known]
        self.command = [arguments.compiler, '-std=c++20', '-fsyntax-only', f'-I{INCLUDE}']
        for path in third_party:
            self.command += ['-isystem', path]

    def check(self, source, flags=()):
        """Returns whether `source` compiles, and what the compiler printed."""
        result = subprocess.run([*self.command, *flags, str(source)], capture_output=True, text=True)
        return result.returncode == 0, result.stdout + result.stderr

    def seconds(self, text):
        """Returns the processor seconds that checking the program `text` takes."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*self.command, '-x', 'c++', '-'], input=text, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
