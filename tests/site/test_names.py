import pytest

from chat.core.errors import Invalid
from chat.site.names import one_line


def line(typed):
    return one_line(typed, field="name", missing="Give a name.")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Ada   Lovelace ", "Ada Lovelace"),
        ("Ada\tLove\r\nlace", "Ada Love lace"),
        ("Ada\u202eecalevoL", "AdaecalevoL"),  # right-to-left override
        ("A\u2066d\u2069a", "Ada"),  # isolates
        ("A\x00d\x1ba", "Ada"),
        ("A\ufeffda\u200b", "Ada"),
        ("Cafe\u0301", "Café"),
        ("👩\u200d🚀 Ada", "👩\u200d🚀 Ada"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("佐藤 花", "佐藤 花"),
        ("يوسف الخطيب", "يوسف الخطيب"),
        ("<script>", "<script>"),
        ("x" * 60, "x" * 60),
    ],
)
def test_names_keep_what_can_be_seen(typed, kept):
    assert line(typed) == kept


@pytest.mark.parametrize("typed", ["", "   ", None, "\u202e\u200b", "\u200d", "\x00", "x" * 61])
def test_names_that_cannot_be_used_are_refused_by_field(typed):
    with pytest.raises(Invalid) as refused:
        line(typed)

    assert refused.value.field == "name"
