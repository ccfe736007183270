"""What is made of the measurements: ratios, goals, charts, the page."""

import xml.etree.ElementTree as ElementTree

import pytest

from tests.bench import charts, report
from tests.bench.figures import goal, median, number, ratio, table
from tests.bench.questions.profile import REST, part_of
from tests.bench.run import Bench


def runs(**values):
    return {server: [{"ms": {"p99": value}} for value in found] for server, found in values.items()}


def test_a_ratio_is_taken_within_each_round():
    found = runs(node=[10, 20, 40], parley=[5, 30, 40])

    assert ratio(found, "parley", "ms.p99") == 1.0  # of 0.5, 1.5 and 1.0
    assert median(found, "parley", "ms.p99") == 30


def test_what_was_not_measured_is_no_number():
    assert ratio(runs(parley=[1]), "parley", "ms.p99") is None
    assert number(median({}, "node", "ms.p99")) == "–"
    assert goal("memory", None, 0.5, at_least=False)["reached"] is None


@pytest.mark.parametrize(
    ("measured", "at_least", "reached"), [(2, True, True), (1.9, True, False), (2.1, False, False)]
)
def test_a_goal_is_reached_or_not(measured, at_least, reached):
    assert goal("deliveries", measured, 2, at_least=at_least)["reached"] is reached


def test_another_server_begins_each_round(tmp_path):
    turns = Bench(tmp_path, rounds=3).interleaved(("node", "parley", "plain"), once=("plain",))

    assert list(turns) == [
        (0, "node"), (0, "parley"), (0, "plain"), (1, "parley"), (1, "node"), (2, "node"), (2, "parley"),
    ]  # fmt: skip


@pytest.mark.parametrize("logarithmic", [True, False])
def test_a_chart_is_xml_with_every_name_and_point(logarithmic):
    svg = charts.lines(
        "p99 < 5", {"Node": [(1, 2.0), (2, 300.0)], "Parley": [(1, 1.0)], "C floor": []}, x="posts", y="ms",
        logarithmic=logarithmic,
    )  # fmt: skip

    page = ElementTree.fromstring(svg)
    assert len(page.findall(".//{*}circle")) == 3
    words = [element.text for element in page.iter("{http://www.w3.org/2000/svg}text")]
    assert {"p99 < 5", "Node", "Parley", "posts", "ms"} <= set(words)


def test_bars_are_as_high_as_their_values():
    page = ElementTree.fromstring(charts.bars("x", {"Node": {"a": 10}, "Parley": {"a": 1000}}, y="y"))

    low, high = (float(bar.get("height")) for bar in page.findall(".//{*}rect") if bar.find("{*}title") is not None)
    assert high > low


def test_a_table_has_a_line_for_each_row():
    assert table(["", "a"], [["x", "1"]]) == ["|  | a |", "| --- | ---: |", "| x | 1 |"]


def test_what_people_wrote_on_the_page_stays(tmp_path, monkeypatch):
    page = tmp_path / "performance.md"
    page.write_text(f"Before\n{report.BEGIN}\nold figures\n{report.END}\nafter\n")
    monkeypatch.setattr(report, "PAGE", page)

    report.write(tmp_path)

    assert page.read_text().startswith("Before\n")
    assert page.read_text().endswith("\nafter\n")
    assert "old figures" not in page.read_text()


def test_the_innermost_frame_of_ours_says_what_is_being_done():
    frames = [
        "main (app.py:1)",
        "post (/x/chat/messages/actions/post.py:40)",
        "execute (/y/sqlalchemy/engine/base.py:9)",
    ]

    assert part_of(frames) == "SQL statements"
    assert part_of(frames[:2]) == "posting: rules and rows"
    assert part_of(["main (app.py:1)"]) == REST
