"""`make faults`: one fault after the other, with a crowd that talks meanwhile; then docs/faults.md.

Each is given its time, so that all of them together take about an hour. Exit code 1 when a promise was broken; a bound
in time that was missed is written down, and no more: other programs may have had the processors.
"""

import argparse
import json
import os
import statistics
import sys
import threading
import time
from contextlib import redirect_stdout
from datetime import date
from pathlib import Path

from tests.bench.machine import facts
from tests.faults import network, processes, queue, reading, revoking, searching, storage  # noqa: F401 - they fill the table
from tests.faults.table import ELSEWHERE, FAULTS, Size, Worlds

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
RESULTS = PAGE.parents[1] / "bench-results" / "faults.json"


def main():
    asked = arguments()
    wanted = [f for f in FAULTS.values() if not asked.only or is_one_of(f, asked.only.split(","))]
    if not wanted:
        sys.exit(f"--only knows {', '.join(sorted(f.number for f in FAULTS.values()))}")
    options = {"database": asked.database} | ({"ASYNC_MODE": asked.async_mode} if asked.async_mode else {})
    RESULTS.parent.mkdir(exist_ok=True)
    worlds = Worlds(**options)
    try:
        broken = [try_one(fault, asked, worlds) for fault in wanted]
    finally:
        worlds.close()
    sys.exit(any(broken))


def is_one_of(fault, asked):
    """By its number, or by words of its title."""
    return any(words == fault.number or (" " in words and words in fault.title) for words in asked)


def try_one(fault, asked, worlds):
    """Carry one out, and keep what was found. Returns what was broken."""
    began, busy = time.monotonic(), Busy()
    print(fault, end=" … ", flush=True)
    try:
        with redirect_stdout(sys.stderr), busy:
            outcome = worlds.run(fault, Size(not asked.short, asked.seconds, asked.programs))
        found = {"figures": outcome.figures, "broken": outcome.broken, "missed": outcome.missed}
    except Exception as error:
        worlds.close()
        found = {
            "figures": {},
            "broken": [f"it could not be carried out: {type(error).__name__} {error}"[:500]],
            "missed": [],
        }
    print(f"{time.monotonic() - began:.0f} s: {found['broken'] or 'holds'}{found['missed'] or ''}", flush=True)
    found["under"] = f"{'short, ' if asked.short else ''}{time.monotonic() - began:.0f} s, load {busy.mean:.1f}"
    keep(fault, asked, found)
    return found["broken"]


class Busy:
    """How many wanted a processor meanwhile, on average: ours and all others."""

    def __enter__(self):
        self.seen, self.enough = [os.getloadavg()[0]], threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def __exit__(self, *_):
        self.enough.set()

    def _watch(self):
        while not self.enough.wait(5):
            self.seen.append(os.getloadavg()[0])

    @property
    def mean(self):
        return statistics.mean(self.seen)


def arguments():
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", help="numbers, or several words of a title, comma separated: R01,'is banned'")
    parser.add_argument("--seconds", type=float, help="that the crowd talks, instead of a minute")
    parser.add_argument("--programs", type=int, help="of R20, instead of 2,000")
    parser.add_argument("--short", action="store_true", help="as in `make test`")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--async-mode", choices=["eventlet", "gevent"])
    return parser.parse_args()


def keep(fault, asked, found):
    """What was found, in full beside the benchmarks' results, and as a row of the page."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    how = f"{fault.database or asked.database}{', gevent' if asked.async_mode == 'gevent' else ''}"
    told = {"title": fault.title, "target": fault.target, "how": how, "day": date.today().isoformat()}
    kept[f"{fault.number} {how} {fault.title}"] = (
        told | {"short": asked.short, "machine": facts(RESULTS.parent)} | found
    )
    RESULTS.write_text(json.dumps(kept, indent=1, default=str))
    write_page(fault, how, found)


def write_page(fault, how, found):
    """Rows of faults that were not tried again stay as they are."""
    text = PAGE.read_text()
    begin, end = "<!-- found: written by `make faults` -->\n", "<!-- found: end -->"
    head, _, rest = text.partition(begin)
    table, _, tail = rest.partition(end)
    rows = {tuple(line.split(" | ")[:2]): line for line in table.splitlines()[2:] if line.startswith("| ")}
    figures = ", ".join(f"{k} {v}" for k, v in found["figures"].items())
    holds, missed = "; ".join(found["broken"]) or "hold", "; ".join(found["missed"]) or "kept"
    cells = [str(fault), how, found["under"], holds, missed, figures]
    row = f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |".replace("\n", " ")
    rows[tuple(row.split(" | ")[:2])] = row
    lines = ["| fault | on | it took | promises | bounds in time | figures |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [rows[name] for name in sorted(rows)]
    lines += ["", "Elsewhere or not yet:", ""]
    lines += [f"- {number} {what}: {where}" for number, (what, where) in ELSEWHERE.items()]
    PAGE.write_text(head + begin + "\n".join(lines) + "\n" + end + tail)


if __name__ == "__main__":
    main()
