"""docs/performance.md from the results: what is between its two marks is written anew, the rest is people's."""

import json
from pathlib import Path
from textwrap import wrap

from tests.bench import questions
from tests.bench.figures import table, verified
from tests.bench.servers import ROOT

PAGE, PICTURES = ROOT / "docs/performance.md", ROOT / "docs/pictures"
BEGIN, END = "<!-- measured: written by `make bench` -->", "<!-- measured: end -->"


def write(results):
    """Write the page from `results`, the folder with one JSON file for each question. Returns its path."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{measured(results)}\n{END}{after}")
    return PAGE


def measured(results):
    found = {q.NAME: json.loads(path.read_text()) for q in questions.ALL if (path := _file(results, q)).exists()}
    lines = ["", "## The goals", "", *_goals(found), ""]
    for question in questions.ALL:
        if question.NAME in found:
            result = found[question.NAME]
            lines += [f"## {question.TITLE}", "", *_wrapped(question.show(result, PICTURES)), ""]
            lines += [*_rounds(result), *_complaints(result)]
    return "\n".join([*lines, *_machine(found)])


def _wrapped(lines):
    """The same, prose filled to the width of the other pages."""
    found, prose = [], []
    for line in [*lines, ""]:
        if line[:1] not in ("", "|", "!", "-"):
            prose.append(line)
        else:
            found += [*wrap(" ".join(prose), 118), line]
            prose = []
    return found[:-1]


def _file(results, question):
    return Path(results) / f"{question.NAME}.json"


def _goals(found):
    rows = []
    for question in questions.ALL:
        for row in question.goals(found[question.NAME]) if question.NAME in found else ():
            reached = {True: "yes", False: "**no**", None: "not measured"}[row["reached"]]
            rows.append([row["what"], row["goal"], row["measured"], reached])
    return table(["what", "goal", "measured", "reached"], rows)


def _rounds(result):
    rounds = max((len(runs) for case in result["cases"].values() for runs in case.values()), default=0)
    if not rounds:
        return []
    load, many = result["load"], "s" if rounds > 1 else ""
    others = f"others used {load['busy_share']:.0%} of the processors just before; load average {load['average']:.2f}"
    return [f"*{rounds} round{many}; {others} before the run.*", ""]


def _complaints(result):
    """Every run that was not exactly once and in order. The floor drops whoever is too slow; it is not ours to mend."""
    found = [f"- {case}, {server}: {words}" for case, server, words in verified(result["cases"])]
    return ["Runs that were not as they should be:", "", *dict.fromkeys(found), ""] if found else []


def _machine(found):
    if not found:
        return []
    facts = max(found.values(), key=lambda result: result["at"])["machine"]
    sync = facts["fdatasync_ms"]
    names = ("python", *(name for name in facts if name in VERSIONS))
    disk = f"a disk that synchronizes 4 KiB in {sync['p50']} ms (p99 {sync['p99']} ms), {facts['disk']}"
    box = f"{facts['processors']} × {facts['processor']}, {facts['memory_gib']} GiB, {facts['system']}; {disk}."
    versions = ", ".join(f"{name} {facts[name]}" for name in names)
    shared = "The load generator and the servers share the processors."
    return [
        "## The machine",
        "",
        *wrap(f"{box} {shared}", 118),
        "",
        *wrap(f"{versions}; {facts['compiler']}.", 118),
        "",
    ]


VERSIONS = (
    "flask",
    "flask-socketio",
    "python-socketio",
    "eventlet",
    "gunicorn",
    "sqlalchemy",
    "orjson",
    "node",
    "socket.io",
)
