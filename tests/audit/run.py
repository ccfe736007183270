"""`make audit`: known holes in what Parley depends on, and patterns of holes in what it is written in.

Ends with 1 when something was found that docs/audit-exceptions.md does not name, or when an exception there is out of
date; with 2 when nothing was found but one of the four could not look. What could not look is never called clean.
"""

import argparse
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "audit-exceptions.md"
PYTHON = ["chat", "migrations", "app.py", "config.py", "gunicorn.conf.py"]
REQUIREMENTS = [*sorted(ROOT.glob("requirements*.txt")), ROOT / "tests" / "bench" / "requirements.txt"]
YEAR_DAYS = 366


@dataclass(frozen=True)
class Finding:
    rule: str  # B311, unsanitized/property, GHSA-…
    where: str  # a file, or a package with its version
    words: str = ""


@dataclass(frozen=True)
class Looked:
    """What one tool says: what it found, at how much it looked, and why it could not look at the rest."""

    findings: list
    at: str
    unable: str | None = None


class Unable(Exception):
    """A tool did not answer, or not with what can be read."""


@dataclass(frozen=True)
class Exempt:
    """A row of the page: so many findings of a rule at a place, and since when that is known."""

    rule: str
    where: str
    times: int
    since: date
    why: str


def main():
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", help=f"some of {','.join(TOOLS)}")
    asked = parser.parse_args().only
    wanted = asked.split(",") if asked else list(TOOLS)
    if unknown := set(wanted) - set(TOOLS):
        parser.error(f"--only knows {', '.join(TOOLS)}; not {', '.join(sorted(unknown))}")
    sys.exit(tell({name: looked_by(name) for name in wanted}, exceptions(PAGE.read_text())))


def looked_by(name):
    try:
        return TOOLS[name]()
    except Unable as error:
        return Looked([], "nothing", str(error))


def tell(looked, exempt):
    """Print what each tool saw, and return the exit code."""
    found, blind = False, False
    for name, saw in looked.items():
        troubles = judged(saw.findings, [e for e in exempt if tool_of(e.rule) == name], whole=saw.unable is None)
        print(f"{name}: looked at {saw.at}; {len(saw.findings)} found, {len(troubles)} of it to be dealt with.")
        for trouble in troubles:
            print(f"  {trouble}")
        if saw.unable:
            print(f"  COULD NOT LOOK: {saw.unable}")
        found, blind = found or bool(troubles), blind or bool(saw.unable)
    for e in exempt:
        if (date.today() - e.since).days > YEAR_DAYS:
            print(f"docs/audit-exceptions.md: {e.rule} in {e.where} is of {e.since}. Look again, and date it anew.")
            found = True
    if blind:
        print("This is no clean audit: what could not be looked at may have known holes. Try where the indexes answer.")
    return 1 if found else 2 if blind else 0


def judged(findings, exempt, *, whole=True):
    """The sentences about findings without an exception, and exceptions without a finding. What a tool could not look
    at (not `whole`) may hold what an exception is about."""
    counted = Counter((f.rule, f.where) for f in findings)
    allowed = {(e.rule, e.where): e.times for e in exempt}
    words = {(f.rule, f.where): f.words for f in findings}
    troubles = [
        f"{rule} {where} ×{times}{f', {allowed[rule, where]} are excepted' if (rule, where) in allowed else ''}: "
        f"{words[rule, where]}"
        for (rule, where), times in sorted(counted.items())
        if times > allowed.get((rule, where), 0)
    ]
    if whole:
        troubles += [
            f"{PAGE.name} excepts {rule} in {where} {times} times; it is there {counted[rule, where]} times."
            for (rule, where), times in sorted(allowed.items())
            if times > counted[rule, where]
        ]
    return troubles


def exceptions(page):
    """The rows of the page's tables: | rule | where | times | since | why |."""
    rows = re.findall(r"^\| `(.+?)` \| `(.+?)` \| (\d+) \| (\S+) \| (.*?) \|$", page, re.MULTILINE)
    return [Exempt(rule, where, int(times), date.fromisoformat(since), why) for rule, where, times, since, why in rows]


def tool_of(rule):
    if re.fullmatch(r"B\d+", rule):
        return "bandit"
    if rule.startswith("unsanitized/"):
        return "eslint"
    return "npm" if rule.startswith("npm:") else "pip-audit"


def run(*command):
    """What the program wrote, as JSON; they end with 1 when they found something."""
    try:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unable(f"{Path(command[0]).name} did not run: {error}") from None
    try:
        return json.loads(ended.stdout)
    except ValueError:
        last = (ended.stderr.strip() or "it wrote nothing").splitlines()[-1]
        raise Unable(f"{Path(command[0]).name} ended with {ended.returncode}: {last[:300]}") from None


def bandit():
    """Comments in a file switch nothing off here: what is all right is on the page, with a date."""
    answer = run(
        sys.executable, "-m", "bandit", "--ignore-nosec", "--quiet", "--recursive", "--format", "json", *PYTHON
    )
    if answer["errors"]:
        raise Unable(f"bandit could not read {answer['errors'][0]['filename']}: {answer['errors'][0]['reason']}")
    found = [
        Finding(
            each["test_id"],
            each["filename"].removeprefix("./"),
            f"line {each['line_number']}, {each['issue_severity'].lower()}: {each['issue_text']}",
        )
        for each in answer["results"]
    ]
    return Looked(found, f"{answer['metrics']['_totals']['loc']:,} lines of Python")


def eslint():
    how = ("--no-inline-config", "--config", "tests/audit/eslint.config.js", "--format", "json")
    answer = run("node_modules/.bin/eslint", *how, "static")
    found = [
        Finding(
            each["ruleId"] or "unsanitized/none",  # a file that could not be parsed
            str(Path(file["filePath"]).relative_to(ROOT)),
            f"line {each['line']}: {each['message']}",
        )
        for file in answer
        for each in file["messages"]
    ]
    return Looked(found, f"{len(answer)} files in static/")


def pip_audit():
    """It calls packages that the index says nothing about "skipped" and ends well: here that is not looked at."""
    files = [part for path in REQUIREMENTS for part in ("-r", str(path))]
    answer = run(
        sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--format", "json",
        "--disable-pip", "--require-hashes", *files,
    )  # fmt: skip
    return packages(answer["dependencies"])


def packages(dependencies):
    """What pip-audit's list of dependencies says."""
    skipped = [d for d in dependencies if "skip_reason" in d]
    found = [
        Finding(
            hole["id"], f"{d['name']}=={d['version']}", f"mended in {', '.join(hole['fix_versions']) or 'no version'}"
        )
        for d in dependencies
        for hole in d.get("vulns", ())
    ]
    unable = f"{len(skipped)} of {len(dependencies)} packages: {skipped[0]['skip_reason']}" if skipped else None
    return Looked(found, f"{len(dependencies) - len(skipped)} of {len(dependencies)} packages of Python", unable)


def npm():
    return advisories(run("npm", "audit", "--json", "--audit=true"))


def advisories(answer):
    """What `npm audit --json` says."""
    if "vulnerabilities" not in answer:
        raise Unable(f"npm audit was refused: {answer.get('message') or answer.get('error') or 'it does not say why'}")
    found = {
        Finding(f"npm:{via['url'].rsplit('/', 1)[-1]}", via["name"], f"{via['severity']}: {via['title']}")
        for package in answer["vulnerabilities"].values()
        for via in package["via"]
        if isinstance(via, dict)  # the others name the package that brings the hole along
    }
    total = answer["metadata"]["dependencies"]["total"]
    return Looked(sorted(found, key=lambda f: (f.rule, f.where)), f"{total} packages of npm")


TOOLS = {"bandit": bandit, "eslint": eslint, "pip-audit": pip_audit, "npm": npm}

if __name__ == "__main__":
    main()
