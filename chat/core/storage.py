"""Blobs on disk, by a random name that nobody can guess."""

import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path

from flask import current_app

LONGEST = 100  # characters of a name; ours have about 30, and file systems refuse to look for very long ones


def folder(kind):
    return Path(current_app.config["PARLEY"].uploads_dir) / kind


def save(kind, data, suffix):
    """Store bytes and return the new name, for instance `q3…f.webp`. The file is complete or absent, never half."""
    directory = folder(kind)
    directory.mkdir(parents=True, exist_ok=True)
    name = secrets.token_urlsafe(16) + suffix
    partial = directory / f".{name}"
    partial.write_bytes(data)
    os.replace(partial, directory / name)
    return name


@contextmanager
def new_file(kind, suffix):
    """Yields (file, name) to write something large piece by piece. It is there, complete, once the block is left."""
    directory = folder(kind)
    directory.mkdir(parents=True, exist_ok=True)
    name = secrets.token_urlsafe(16) + suffix
    partial = directory / f".{name}"
    try:
        with open(partial, "wb") as file:
            yield file, name
        os.replace(partial, directory / name)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def path_of(kind, name):
    """The file's path, or None when there is no such file. `name` comes from outside: it must be a plain file name."""
    if not name or name != os.path.basename(name) or name.startswith(".") or len(name) > LONGEST:
        return None
    path = folder(kind) / name
    return path if path.is_file() else None


def used_bytes(directory):
    """How much all that lies below a folder takes. For a native thread: there may be many files."""
    used = 0
    for file in Path(directory).rglob("*"):
        with suppress(FileNotFoundError):  # it may go meanwhile
            used += file.stat().st_size if file.is_file() else 0
    return used


def forget(kind, name):
    if path := path_of(kind, name):
        path.unlink(missing_ok=True)
