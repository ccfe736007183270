import pytest

from chat.core.errors import Invalid
from chat.rooms.names import line, paragraph, room_name


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("general", "general"),
        ("  #Sea Trials  ", "sea-trials"),
        ("a - b", "a-b"),
        ("-dashes-", "dashes"),
        ("snake_case", "snake_case"),
        ("Café", "café"),
        ("ＦＵＬＬ", "full"),
        ("हिन्दी", "हिन्दी"),
        ("ทั่วไป", "ทั่วไป"),
        ("日本語", "日本語"),
        ("2026", "2026"),
        ("x" * 60, "x" * 60),
    ],
)
def test_a_name_is_kept_lower_case_with_dashes_and_without_the_hash(typed, name):
    assert room_name(typed) == name
    assert room_name(name) == name


@pytest.mark.parametrize(
    "typed", [None, "", "  ", "#", "---", "a.b", "a/b", "a--__b", "<b>", "x" * 61, "a\0b", "a\u202eb", "👍", "\u0301"]
)
def test_what_is_no_name_is_refused_at_its_field(typed):
    with pytest.raises(Invalid) as refusal:
        room_name(typed)
    assert refusal.value.field == "name"


def test_a_line_is_one_line_of_what_can_be_seen():
    assert line("  a\n b\t c\0\u202e ", 10, "topic") == "a b c"
    assert line(None, 10, "topic") == ""
    with pytest.raises(Invalid, match="11 characters; 10 fit"):
        line("x" * 11, 10, "topic")


def test_a_paragraph_keeps_its_lines():
    assert paragraph(" a\r\n\r\nb\0 ", 10, "description") == "a\n\nb"
    with pytest.raises(Invalid) as refusal:
        paragraph("x" * 11, 10, "description")
    assert refusal.value.field == "description"
