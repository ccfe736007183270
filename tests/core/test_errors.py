import pytest

from chat.core import errors
from chat.core.authorize import allow, authorize, deny
from chat.core.errors import ChatError, Conflict, Forbidden, RateLimited

CODES = ["unauthorized", "forbidden", "not_found", "invalid", "conflict", "too_large", "rate_limited", "busy", "error"]
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ChatError)]


def test_every_refusal_has_a_code_of_the_protocol_and_a_status():
    assert sorted(kind.code for kind in KINDS) == sorted(CODES)
    assert all(400 <= kind.status < 600 for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_refusal_on_the_wire_says_so_in_a_code_and_a_sentence(kind):
    error = kind("Because.")

    body = error.to_json()
    assert (body["ok"], body["code"], body["message"]) == (False, kind.code, "Because.")
    assert str(error) == "Because."


def test_a_field_and_a_wait_are_named_when_there_are_any():
    assert RateLimited("Slowly.", retry_after=0.2).to_json() == {
        "ok": False,
        "code": "rate_limited",
        "message": "Slowly.",
        "retry_after": 0.2,
    }
    assert ChatError("x", field="name").to_json()["field"] == "name"


def test_a_conflict_may_bring_the_thing_as_it_is_beside_its_sentence():
    assert "current" not in Conflict("No.").to_json()
    body = Conflict("No.", current={"id": 7}).to_json()
    assert (body["message"], body["current"]) == ("No.", {"id": 7})


def test_a_verdict_is_true_or_says_why_not():
    assert allow
    authorize(allow)
    refusal = deny("Only owners can.")
    assert not refusal
    with pytest.raises(Forbidden, match=r"^Only owners can\.$"):
        authorize(refusal)
