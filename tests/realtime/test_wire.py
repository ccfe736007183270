import pytest

from chat.core.errors import Invalid
from chat.realtime import wire

EVENTS = [(namespace, event) for namespace, events in wire.CLIENT.items() for event in events]


@pytest.mark.parametrize(("namespace", "event"), EVENTS)
def test_the_example_of_each_event_is_understood(namespace, event):
    known = wire.CLIENT[namespace][event]

    form = wire.parse(namespace, event, known.example)
    assert {name: getattr(form, name) for name in known.example} == known.example
    assert all(getattr(form, name) is None for name in known.fields if name not in known.example)


@pytest.mark.parametrize(("namespace", "event"), EVENTS)
def test_each_missing_field_is_named(namespace, event):
    known = wire.CLIENT[namespace][event]
    for name, field in known.fields.items():
        if field.required:
            with pytest.raises(Invalid, match=f"{name} is missing") as refusal:
                wire.parse(namespace, event, {k: v for k, v in known.example.items() if k != name})
            assert refusal.value.field == name


WRONG = {
    wire.number: [None, "7", 7.5, 7.0, True, -1, 2**53, [], {}, float("inf")],
    wire.string: [None, 7, True, [], {}, ["a"]],
    wire.truth: [None, 0, 1, "true", [], {}],
    wire.is_name: [7, True, [], {}, "", "two words", "x" * 65, "é"],
    wire.nothing_yet: [0, 1, "x", "", [1], {}, True],
    wire.cursors: [
        None, 7, "x", [], {"room:7": -1}, {"room:7": "1"}, {"room:7": 1.5}, {"room:7": True}, {"x" * 41: 1},
        {"room:7": 2**53},
        {f"room:{n}": 1 for n in range(501)},
    ],
}  # fmt: skip


@pytest.mark.parametrize(("namespace", "event"), EVENTS)
def test_each_wrong_type_is_refused_at_its_field(namespace, event):
    known = wire.CLIENT[namespace][event]
    for name, field in known.fields.items():
        for value in WRONG.get(field.check, ["x", -1, 1.5, [], {}, True]):
            with pytest.raises(Invalid, match=f"{name} must be") as refusal:
                wire.parse(namespace, event, known.example | {name: value})
            assert refusal.value.field == name


@pytest.mark.parametrize(("namespace", "event"), EVENTS)
@pytest.mark.parametrize("extra", ["x", "role", "actor", "x" * 5000, ""])
def test_an_unknown_field_is_named(namespace, event, extra):
    with pytest.raises(Invalid, match="has no field") as refusal:
        wire.parse(namespace, event, wire.CLIENT[namespace][event].example | {extra: 1})
    assert refusal.value.field == extra[:40]
    assert len(refusal.value.message) < 300


@pytest.mark.parametrize(("namespace", "event"), EVENTS)
@pytest.mark.parametrize("data", [None, "x", 7, [], [{}], True])
def test_what_is_no_object_is_refused(namespace, event, data):
    with pytest.raises(Invalid, match="Send one object with"):
        wire.parse(namespace, event, data)


def test_what_is_for_later_is_taken_only_empty():
    for empty in (None, []):
        assert wire.parse("/chat", "message", {"room": 1, "text": "x", "key": "k", "thread": empty}).thread in (
            None,
            [],
        )


def test_the_largest_numbers_fit():
    assert wire.parse("/chat", "read", {"room": 1, "seq": 2**53 - 1}).seq == 2**53 - 1
    assert (
        len(wire.parse("/chat", "resume", {"epoch": "", "streams": {f"room:{n}": None for n in range(500)}}).streams)
        == 500
    )
