"""make bench: Parley beside Node, plain Flask-SocketIO and a server in C, measured in one run.

    make bench                                     everything, some 15 minutes; writes docs/performance.md
    make bench ARGS="--only latency,posts"         a part of it, which the page then takes over
    make bench ARGS="--quick --only fanout"        one short round, to see that it works: the page stays as it is
    make bench ARGS="--report"                     write the page from the results there are

Servers take turns within each round, and begin the rounds in turn, so that what else the machine does touches all of
them. Results are kept as JSON in bench-results/.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import machine, questions, report
from tests.bench.community import found
from tests.bench.figures import complaint
from tests.bench.servers import ROOT, SECRET_KEY, Failed, Floor, Node, Parley, Plain, compiled, load

RESULTS = ROOT / "bench-results"
KINDS = {"node": Node, "plain": Plain, "floor": Floor}
ROUNDS, TEXT = 3, 200


class Bench:
    """What every question is given: servers, and how much of everything.

    work    a folder on a disk, gone afterwards
    quick   one short round with a tenth of the people: shows that it works, measures nothing
    """

    def __init__(self, work, *, rounds=ROUNDS, quick=False, people=1000, say=print):
        self.work, self.quick, self.rounds, self.people_there, self.print = work, quick, rounds, people, say
        self.padding = {}

    def people(self, count):
        return max(10, count // 10) if self.quick and count > 100 else count

    def seconds(self, count):
        return min(count, 1) if self.quick else count

    def interleaved(self, servers, *, rounds=None, once=()):
        """(round, server) with another server first in every round. Those in `once` come in the first one alone."""
        for turn in range(rounds or self.rounds):
            for server in servers[turn % len(servers) :] + servers[: turn % len(servers)]:
                if not (turn and server in once):
                    yield turn, server

    def server(self, kind, *, text=TEXT, **environ):
        """A server of this kind, to be used with `with`. Peers pad their frames to the size of Parley's."""
        if kind == "parley":
            return Parley(self.work, people=self.people_there, **environ)
        # Parley's frames hold the text three times: as it is, as HTML, and in a page's piece of HTML.
        padding = self.padding.get(kind, 0) + 2 * (text - TEXT)
        return KINDS[kind](self.work, PAD=padding, **environ)

    def warm_up(self, servers):
        load(
            servers, "--connections", 50, "--senders", 5, "--window", 2, "--duration", 0.5, "--acks", room_size=10,
        )  # fmt: skip

    def calibrate(self):
        """Find out how much larger than the peers' Parley's frames are."""
        sizes = {}
        for kind in ("parley", *KINDS):
            with self.server(kind) as server:
                run = load(server, "--connections", 10, "--rate", 40, "--duration", 0.5, room_size=10)
            if not run["ok"]:
                raise Failed(f"{kind} does not work: {complaint(run)}")
            sizes[kind] = run["bytes_per_delivery"]
        self.padding = {kind: max(0, round(sizes["parley"] - sizes[kind])) for kind in KINDS}
        self.print(f"A frame of Parley has {sizes['parley']:.0f} bytes; so have the others' now.")

    def say(self, turn, kind, case, words, result):
        wrong = "" if result["ok"] else f"  NOT OK: {complaint(result)}"
        self.print(f"  {turn + 1}  {kind:20} {case:24} {words}{wrong}", flush=True)


def prepared(work, people):
    """Compile the programs and make the community. Raises Failed."""
    compiled(work)
    seed = work / "seed"
    seed.mkdir()
    print(f"Making a community of {people:,}", flush=True)
    found(seed, {"DATA_DIR": str(seed), "SECRET_KEY": SECRET_KEY, "BCRYPT_COST": "4"}, people)


def chosen(only):
    if not only:
        return questions.ALL
    names = [name.strip() for name in only.split(",")]
    known = [question.NAME for question in questions.ALL]
    if unknown := set(names) - set(known):
        sys.exit(f"--only takes {', '.join(known)}; not {', '.join(sorted(unknown))}.")
    return [question for question in questions.ALL if question.NAME in names]


def arguments():
    parser = argparse.ArgumentParser(prog="make bench", description="Measure Parley beside its peers.")
    parser.add_argument("--only", help=f"of {', '.join(q.NAME for q in questions.ALL)}; comma separated")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it works, measures nothing")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--report", action="store_true", help="only write docs/performance.md from the last results")
    return parser.parse_args()


def main():
    asked = arguments()
    os.chdir(ROOT)
    RESULTS.mkdir(parents=True, exist_ok=True)
    if asked.report:
        print(f"Wrote {report.write(RESULTS).relative_to(ROOT)}")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    began, asking, failed = time.monotonic(), chosen(asked.only), []
    work = Path(tempfile.mkdtemp(prefix="work-", dir=RESULTS))
    try:
        people = max(question.PEOPLE for question in asking)
        if not machine.on_disk(work):
            print(f"{RESULTS} is in memory, not on a disk: storing costs nothing there, so these figures mean little.")
        before = machine.load()
        if words := machine.warning(before):
            print(words, flush=True)
        prepared(work, people)
        facts = machine.facts(work)
        bench = Bench(work, rounds=1 if asked.quick else asked.rounds, quick=asked.quick, people=people)
        bench.calibrate()
        for question in asking:
            print(f"{question.TITLE} (after {(time.monotonic() - began) / 60:.1f} minutes)", flush=True)
            try:
                answer(question, bench, facts, before["average"])
            except Failed as error:  # the others are worth having
                failed.append(f"{question.TITLE}: {error}")
                print(f"  FAILED: {error}", flush=True)
    except Failed as error:
        sys.exit(f"make bench: {error}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if not asked.quick:
        print(f"Wrote {report.write(RESULTS).relative_to(ROOT)}")
    print(f"Done in {(time.monotonic() - began) / 60:.1f} minutes; results are in {RESULTS.relative_to(ROOT)}/")
    if failed:
        sys.exit("Not everything could be measured:\n" + "\n".join(failed))


def answer(question, bench, facts, average):
    """Ask one question and keep what it says. `average` is the load average before anything of ours ran."""
    began, busy = time.monotonic(), machine.load()["busy_share"]
    result = {
        **question.run(bench),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - began),
        "machine": facts,
        "load": {"average": average, "busy_share": busy},
    }
    name = f"{question.NAME}{'.quick' if bench.quick else ''}.json"
    (RESULTS / name).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
