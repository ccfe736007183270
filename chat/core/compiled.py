"""Templates as bytecode, kept in `templates/__pycache__` as Python keeps that of modules: compiling all of them takes
longer than loading the rest of the application."""

from pathlib import Path
from pickle import UnpicklingError

from jinja2 import FileSystemBytecodeCache

FOLDER = Path(__file__).parents[2] / "templates" / "__pycache__"


class Compiled(FileSystemBytecodeCache):
    """Whoever may not read or write there compiles at every start, and nothing else changes."""

    def __init__(self, folder=FOLDER):
        super().__init__(str(folder), "%s.cache")

    def load_bytecode(self, bucket):
        try:
            super().load_bytecode(bucket)
        except (OSError, ValueError, TypeError, EOFError, UnpicklingError):  # cut short when the power went
            bucket.reset()

    def dump_bytecode(self, bucket):
        try:
            Path(self.directory).mkdir(exist_ok=True)
            super().dump_bytecode(bucket)
        except OSError:
            pass
