"""Whether a search finds anything in the product, and everything in a spoilt one."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.faults.mutations import MUTATIONS
from tests.faults.table import fault
from tests.faults.world import Outcome
from tests.system.server import ROOT

AT_ONCE = 2  # searches, each with two servers: most of one is waiting


def search(programs, steps, mutation=""):
    """What so many programs found: words, or None. Raises when they could not be run."""
    words = [sys.executable, "-m", "tests.faults.search", str(programs), str(steps), mutation]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    return json.loads(done.stdout)


@fault(
    "R20",
    "random programs of 50 steps, against two servers",
    target="0 failures",
    alone=True,
    is_long=True,
    database="sqlite",
)
def programs(_make, size):
    count = size.programs or size.of(20, 2000)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda _: search(count // AT_ONCE, 50), range(AT_ONCE)))
    outcome = Outcome()
    outcome.figures["programs"] = count
    outcome.never("failures", [words for words in found if words])
    return outcome


@fault("R21", "bugs put in, and the same programs", target="found", alone=True, is_long=True, database="sqlite")
def mutations(_make, size):
    """A search is luck: what it misses, the directed tests find, all of it, in tests/system/test_mutations.py."""
    names = size.of(["nokey", "skipgap"], sorted(MUTATIONS))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(names, pool.map(lambda name: search(60, 50, name), names), strict=True))
    outcome = Outcome()
    outcome.figures["bugs"] = len(found)
    outcome.figures["found"] = sum(map(bool, found.values()))
    outcome.figures["not found"] = " ".join(name for name, words in found.items() if not words) or "none"
    if not outcome.figures["found"]:
        outcome.broken.append("no bug was found")
    return outcome
