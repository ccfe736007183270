"""docs/a-message.md names files and functions. Each must exist, where the page says."""

import re
from pathlib import Path

import pytest

from chat.realtime import wire

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/a-message.md").read_text()
FILE = re.compile(r"`([\w./-]+\.(?:py|js|html))`")
# `name` in `file`, where `file` may be several words away but in the same sentence; and `file`: `name`.
NAMED = re.compile(r"`([A-Za-z_][\w.]*)` in\s+`([\w./-]+\.(?:py|js|html))`")
BEGINS = re.compile(r"`([\w./-]+\.py)`:\s+(?:on leaving the block,\s+)?`([A-Za-z_][\w.]*)`")
# Words in backticks that are no function: events of the wire.
EVENTS = {"message", "read", "resume"}


def defines(path, name):
    """Whether a file defines a function, method, class or macro. `Class.method` wants both."""
    text = (ROOT / path).read_text()
    if path.endswith(".js"):
        return re.search(rf"^\s*(?:async |export |function )*{name}\(", text, re.MULTILINE)
    if path.endswith(".html"):
        return f"macro {name}(" in text
    owner, _, method = name.rpartition(".")
    if owner:
        text = text[text.find(f"class {owner}") :] if f"class {owner}" in text else ""
    return re.search(rf"^\s*(?:async )?(?:def|class) {method}\b", text, re.MULTILINE)


def named():
    pairs = {(file, name) for name, file in NAMED.findall(PAGE)}
    return sorted(pairs | {(file, name) for file, name in BEGINS.findall(PAGE)})


@pytest.mark.parametrize("path", sorted(set(FILE.findall(PAGE))))
def test_every_file_exists(path):
    assert (ROOT / path).is_file()


@pytest.mark.parametrize(("path", "name"), named())
def test_every_function_is_where_the_page_says(path, name):
    assert defines(path, name), f"{path} has no {name}"


def test_no_name_is_left_without_its_file():
    """A name may stand alone after it was given with its file; then it is the same one."""
    known = {name for _, name in named()} | {name.rpartition(".")[2] for _, name in named()}
    alone = set(re.findall(r"`([A-Za-z_][\w.]*)`", PAGE)) - known - EVENTS - set(FILE.findall(PAGE))
    pump = {f"Pump.{name}" for name in re.findall(r"def (\w+)", (ROOT / "chat/realtime/pump.py").read_text())}

    assert alone <= pump


def test_the_events_it_names_are_on_the_wire():
    assert set(wire.CHAT) >= EVENTS
