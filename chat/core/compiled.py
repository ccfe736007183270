"""Templates as bytecode, kept in `templates/__pycache__` as Python keeps that of modules: compiling all of them takes
longer than loading the rest of the application."""

import hashlib
from pathlib import Path

import jinja2

FOLDER = Path(__file__).parents[2] / "templates" / "__pycache__"
OPTIONS = ("trim_blocks", "lstrip_blocks", "keep_trailing_newline", "newline_sequence", "optimized")  # of bytecode


class Compiled(jinja2.FileSystemBytecodeCache):
    """For one environment, whose options are part of the names. Whoever may not read or write there compiles at every
    start, and nothing else changes."""

    def __init__(self, environment, folder=FOLDER):
        said = [jinja2.__version__, sorted(environment.extensions), *(getattr(environment, name) for name in OPTIONS)]
        digest = hashlib.sha256(repr(said).encode()).hexdigest()[:16]
        super().__init__(str(folder), f"%s.{digest}.cache")

    def load_bytecode(self, bucket):
        try:
            super().load_bytecode(bucket)
        except Exception:  # of many kinds, where a file was cut short when the power went
            bucket.reset()

    def dump_bytecode(self, bucket):
        try:
            Path(self.directory).mkdir(exist_ok=True)
            super().dump_bytecode(bucket)
        except OSError:
            pass
