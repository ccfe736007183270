"""docs/security.md answers every requirement of ASVS 5.0, levels 1 and 2, once, and names tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/security.md"
# Section: the numbers of its requirements of level 1 or 2, in OWASP ASVS 5.0.0.
LEVEL_2 = {
    "1.1": "1-2", "1.2": "1-9", "1.3": "1-11", "1.4": "1-3", "1.5": "1-2",
    "2.1": "1-3", "2.2": "1-3", "2.3": "1-4", "2.4": "1",
    "3.2": "1-2", "3.3": "1-4", "3.4": "1-6", "3.5": "1-5", "3.7": "1-2",
    "4.1": "1-3", "4.2": "1", "4.3": "1-2", "4.4": "1-4",
    "5.1": "1", "5.2": "1-3", "5.3": "1-2", "5.4": "1-3",
    "6.1": "1-3", "6.2": "1-12", "6.3": "1-4", "6.4": "1-4", "6.5": "1-5", "6.6": "1-3", "6.8": "1-4",
    "7.1": "1-3", "7.2": "1-4", "7.3": "1-2", "7.4": "1-5", "7.5": "1-2", "7.6": "1-2",
    "8.1": "1-2", "8.2": "1-3", "8.3": "1", "8.4": "1",
    "9.1": "1-3", "9.2": "1-4",
    "10.1": "1-2", "10.2": "1-2", "10.3": "1-4", "10.4": "1-11", "10.5": "1-5", "10.6": "1-2", "10.7": "1-3",
    "11.1": "1-2", "11.2": "1-3", "11.3": "1-3", "11.4": "1-4", "11.5": "1", "11.6": "1",
    "12.1": "1-3", "12.2": "1-2", "12.3": "1-4",
    "13.1": "1", "13.2": "1-5", "13.3": "1-2", "13.4": "1-5",
    "14.1": "1-2", "14.2": "1-4", "14.3": "1-3",
    "15.1": "1-3", "15.2": "1-3", "15.3": "1-7",
    "16.1": "1", "16.2": "1-5", "16.3": "1-4", "16.4": "1-3", "16.5": "1-3",
    "17.1": "1", "17.2": "1-4", "17.3": "1-2",
}  # fmt: skip
ANSWERS = ("**met**", "not applicable", "left to the operator", "**not met**")
TEST = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")


def requirements():
    for section, numbers in LEVEL_2.items():
        first, _, last = numbers.partition("-")
        yield from (f"{section}.{n}" for n in range(int(first), int(last or first) + 1))


def rows(columns):
    """The cells of every row of a table with so many columns, below "Requirement by requirement"."""
    below = PAGE.read_text().partition("## Requirement by requirement")[2]
    for line in below.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("|") and len(cells) == columns and not cells[0].startswith("---"):
            yield cells


def answers():
    """[(id, one of ANSWERS, the rest of it, what shows it)]"""
    found = []
    for line in PAGE.read_text().splitlines():
        if match := re.match(r"\| (\d+\.\d+\.\d+) \| (.+?) \| (.+?) \|(.*)\|$", line):
            answer, _, reason = match[3].partition(": ")
            found.append((match[1], answer, reason, match[4].strip()))
    return found


@cache
def names_in(path):
    def named(body, prefix=""):
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from named(node.body, f"{prefix}{node.name}::")
            elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield prefix + node.name

    return set(named(ast.parse((ROOT / path).read_text()).body))


def test_there_are_as_many_requirements_as_the_standard_has():
    assert len(list(requirements())) == 253  # 70 of level 1, 183 of level 2


def test_every_requirement_is_answered_once_and_in_order():
    assert [found[0] for found in answers()] == list(requirements())


def test_an_answer_is_one_of_four_and_all_but_met_say_why():
    for requirement, answer, reason, _ in answers():
        assert answer in ANSWERS, requirement
        assert reason or answer == "**met**", requirement


def test_whatever_is_met_is_shown():
    for requirement, answer, _, shown in answers():
        assert answer != "**met**" or re.search(r"`[^`]+`|\]\([^)]+\)", shown), requirement


@pytest.mark.parametrize("path", sorted({path for path, _ in TEST.findall(PAGE.read_text())}))
def test_every_test_that_is_named_exists(path):
    assert (ROOT / path).exists()
    assert {name for file, name in TEST.findall(PAGE.read_text()) if file == path} <= names_in(path)


def test_every_file_that_is_named_exists():
    for name in re.findall(
        r"`((?:tests|chat|static|deploy)/[\w./-]+|[\w-]+\.(?:txt|in|json|js|py))`", PAGE.read_text()
    ):
        assert (ROOT / name).exists(), name


def test_the_summary_counts_what_is_below():
    of = {answer: [shown for _, given, _, shown in answers() if given == answer] for answer in ANSWERS}
    counts = [
        len(answers()), len(of["**met**"]), sum(1 for shown in of["**met**"] if TEST.search(shown)),
        len(of["not applicable"]), len(of["left to the operator"]), len(of["**not met**"]),
    ]  # fmt: skip
    head, _, numbers = re.search(r"^\| requirements .*\n.*\n.*$", PAGE.read_text(), re.MULTILINE)[0].splitlines()

    assert head.count("|") == numbers.count("|") == len(counts) + 1
    assert [int(n) for n in re.findall(r"\d+", numbers)] == counts


def test_thirty_cases_and_every_threat_have_a_test():
    cases, threats = (list(rows(columns)) for columns in (4, 3))

    assert [case[0] for case in cases if case[0].isdigit()] == [str(n) for n in range(1, 31)]
    assert len(threats) > 20
    for shown in [case[3] for case in cases if case[0].isdigit()] + [threat[2] for threat in threats[1:]]:
        assert TEST.search(shown), shown
