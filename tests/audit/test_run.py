"""How `make audit` judges what its tools say. The tools themselves run with `make audit` alone."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.audit.run import (
    PAGE,
    ROOT,
    YEAR_DAYS,
    Exempt,
    Finding,
    Looked,
    Unable,
    advisories,
    exceptions,
    judged,
    packages,
    tell,
)

SHA = Finding("B324", "chat/fanout/engine.py", "line 69, high: weak")
KNOWN = Exempt("B324", "chat/fanout/engine.py", 1, date.today(), "RFC 6455 asks for it.")


def test_every_exception_has_a_reason_a_place_and_a_date_of_the_last_year():
    page = PAGE.read_text()
    rows = exceptions(page)

    assert len(rows) == page.count("\n| `") > 0  # none is written so that it cannot be read
    for row in rows:
        assert len(row.why) > 5, row
        assert row.times > 0, row
        assert row.since <= date.today(), row
        assert (date.today() - row.since).days <= YEAR_DAYS, f"{row.rule} in {row.where}: look again, and date it anew."
        if row.rule.startswith(("B", "unsanitized/")):
            assert (ROOT / row.where).is_file(), row
    assert len({(row.rule, row.where) for row in rows}) == len(rows)


def test_what_no_exception_names_is_found(capsys):
    assert tell({"bandit": Looked([SHA], "2 lines")}, []) == 1
    assert "B324 chat/fanout/engine.py ×1: line 69, high: weak" in capsys.readouterr().out


def test_what_an_exception_names_is_left_as_it_is():
    assert tell({"bandit": Looked([SHA], "2 lines")}, [KNOWN]) == 0


def test_an_exception_covers_no_second_finding_in_the_same_file():
    assert judged([SHA, SHA], [KNOWN]) == ["B324 chat/fanout/engine.py ×2, 1 are excepted: line 69, high: weak"]


def test_an_exception_that_nothing_needs_any_more_has_to_go():
    [sentence] = judged([], [KNOWN])
    assert "B324 in chat/fanout/engine.py 1 times; it is there 0 times" in sentence
    assert tell({"bandit": Looked([], "2 lines")}, [KNOWN]) == 1


def test_an_exception_of_more_than_a_year_has_to_be_looked_at(capsys):
    old = replace(KNOWN, since=date.today() - timedelta(days=YEAR_DAYS + 1))

    assert tell({"bandit": Looked([SHA], "2 lines")}, [old]) == 1
    assert "Look again, and date it anew" in capsys.readouterr().out


def test_an_audit_that_could_not_look_is_not_called_clean(capsys):
    assert tell({"npm": Looked([], "nothing", "npm audit was refused: 405")}, []) == 2
    said = capsys.readouterr().out
    assert "COULD NOT LOOK: npm audit was refused: 405" in said
    assert "no clean audit" in said


def test_what_was_found_weighs_more_than_what_could_not_be_looked_at():
    assert tell({"npm": Looked([], "nothing", "405"), "bandit": Looked([SHA], "2 lines")}, []) == 1


def test_a_package_that_the_index_does_not_know_was_not_looked_at():
    saw = packages([{"name": "flask", "version": "3.0.0", "vulns": []}, {"name": "flask", "skip_reason": "not found"}])

    assert saw == Looked([], "1 of 2 packages of Python", "1 of 2 packages: not found")


def test_holes_of_packages_are_named_with_what_mends_them():
    hole = {"id": "PYSEC-2026-1", "fix_versions": ["3.0.1"], "aliases": []}

    [found] = packages([{"name": "flask", "version": "3.0.0", "vulns": [hole]}]).findings

    assert found == Finding("PYSEC-2026-1", "flask==3.0.0", "mended in 3.0.1")


def test_an_advisory_of_npm_is_told_once_where_several_packages_bring_it():
    via = {"url": "https://github.com/advisories/GHSA-1", "name": "tar", "severity": "high", "title": "Climbs out"}
    answer = {
        "vulnerabilities": {"tar": {"via": [via]}, "pack": {"via": ["tar"]}},
        "metadata": {"dependencies": {"total": 7}},
    }
    assert advisories(answer) == Looked([Finding("npm:GHSA-1", "tar", "high: Climbs out")], "7 packages of npm")


def test_a_refusal_of_npm_is_no_empty_list():
    with pytest.raises(Unable, match="405 Method Not Allowed"):
        advisories({"message": "405 Method Not Allowed", "statusCode": 405})
