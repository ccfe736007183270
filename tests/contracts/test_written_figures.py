"""The figures that docs/security.md gives are those of the code: a bound that moves takes its sentence along."""

import json
import re
from pathlib import Path

import pytest

from chat.accounts import avatars, passwords, queries
from chat.accounts.actions import sessions
from chat.accounts.oidc import fetching
from chat.core import rest
from chat.fanout import transport
from chat.messages import text
from chat.realtime import live, subscriptions
from chat.site import names
from chat.streams import log

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()
NUMBERS = {2: "two", 20: "twenty"}
REQUIREMENTS = [*ROOT.glob("requirements*.txt"), ROOT / "tests/bench/requirements.txt"]
HASHED = re.compile(r"hashlib\.(\w+)\(|hashes\.(\w+)\(|hmac\.digest\(.*, \"(\w+)\"\)|HMAC\(.*\"(\w+)\"")


def section(heading):
    """What stands below a heading, up to the next, with line ends as spaces."""
    return " ".join(PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].split())


def places(module, name):
    """How many run at once and how many wait in a queue of `run_blocking`."""
    source = Path(module.__file__).read_text()
    return tuple(map(int, re.search(rf"_{name} = Bounded\(running=(\d+), waiting=(\d+)\)", source).groups()))


def test_how_long_sessions_last():
    assert (
        f"ends {queries.IDLE.days} days after its last use and {sessions.LIFETIME.days} days after it began"
        in section("Sessions")
    )


def test_how_large_things_may_be():
    assert f"Texts hold {text.LONGEST:,} characters, names {names.NAME_LENGTH}," in section("What may be sent")
    assert rest.MOST_BYTES == live.MOST_BYTES
    assert f"requests {rest.MOST_BYTES // 1024} KiB" in section("What may be sent")


def test_which_pictures_are_taken():
    written = section("Pictures")
    named = re.search(r"uploaded: ([\w, ]+), up to", written)[1]

    assert {name.upper() for name in re.findall(r"[A-Z]\w+", named)} == set(avatars.FORMATS)
    assert f"{avatars.MOST_PIXELS // 1_000_000} megapixels" in written
    assert f"{avatars.SIDE} by {avatars.SIDE} pixels" in written


def test_which_passwords_are_refused():
    written = section("Passwords")

    assert passwords.MIN_LENGTH == 10 and written.startswith("Ten characters at least,")
    assert f"{passwords.MAX_BYTES:,} bytes at most" in written
    assert 10 ** (2 * passwords.GOOD_ENOUGH + 2) == 1_000_000 and "under a million tries" in written
    assert f"`{passwords.PRODUCT}`" in written


def test_what_bounds_that_which_is_costly():
    written = section("What is costly")
    running, waiting = places(passwords, "hashing")

    assert f"hashing passwords | native threads, {NUMBERS[running]} at a time, {NUMBERS[waiting]} wait" in written
    others = ((passwords, "judging"), (avatars, "drawing"), (fetching, "asking"))
    assert {places(*queue)[0] for queue in others} <= {1, 2}
    assert "asking providers | one or two at a time" in written
    assert f"{subscriptions.MOST_FRAMES} frames or {subscriptions.MOST_BYTES // 1024} KiB a page" in written
    assert f"beyond {log.TOO_MANY:,} a reload" in written
    assert (transport.MOST_OWED, transport.MOST_SECONDS) == (1 << 20, 10)
    assert "1 MiB or ten seconds" in written


def test_every_hash_that_is_used_stands_among_the_keys():
    used = {
        next(filter(None, match)).lower().replace("sha", "sha-")
        for path in [*(ROOT / "chat").rglob("*.py"), ROOT / "config.py"]
        for match in HASHED.findall(path.read_text())
    }

    assert used == {"sha-1", "sha-256"}
    assert [name for name in used if name.upper() not in section("Keys")] == []


@pytest.mark.parametrize("path", sorted(REQUIREMENTS), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_library_has_one_version_and_its_hashes(path):
    lines = path.read_text().replace("\\\n", " ").splitlines()
    libraries = [line for line in lines if line.strip() and not line.strip().startswith("#")]

    assert libraries
    assert [line for line in libraries if "==" not in line or "--hash=sha256:" not in line] == []


def test_every_package_of_node_has_its_checksum():
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]

    without = [name for name, about in packages.items() if not about.get("integrity", "").startswith("sha512-")]

    assert without == [""]  # the project itself
