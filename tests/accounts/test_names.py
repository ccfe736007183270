from itertools import islice

import pytest

from chat.accounts.names import BIO_LENGTH, about_oneself, email_address, time_zones, user_name, user_names_for
from chat.core.errors import Invalid


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("ada", "ada"), (" @Ada\n", "ada"), ("a.b_c-9", "a.b_c-9"), ("7up", "7up"), ("x" * 32,) * 2],
)
def test_user_names_are_lower_case_without_the_at(typed, kept):
    assert user_name(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["", None, "a", "x" * 33, ".ada", "-ada", "_ada", "ada.", "a b", "adä", "ada\nx", "a@b", "all", "Here", "room",
     "everyone", "ada/..", "а" * 4, "ａｄａ", "a\x00b"],
)  # fmt: skip
def test_other_user_names_are_refused(typed):
    with pytest.raises(Invalid) as refused:
        user_name(typed)
    assert refused.value.field == "username"


@pytest.mark.parametrize(
    ("name", "email", "suggested"),
    [
        ("Ada Lovelace", "ada@x.org", ["ada", "ada.lovelace", "ada.lovelace2", "ada.lovelace3"]),
        ("Joaquín Fernández de la Vega", "j@x.org", ["joaquin", "joaquin.vega", "joaquin.vega2", "joaquin.vega3"]),
        ("Łukasz Øster", "l@x.org", ["lukasz", "lukasz.oster", "lukasz.oster2", "lukasz.oster3"]),
        ("O'Brien", "o@x.org", ["obrien", "obrien2", "obrien3", "obrien4"]),
        ("J Smith", "j@x.org", ["j.smith", "j.smith2", "j.smith3", "j.smith4"]),
        ("All", "a@x.org", ["all2", "all3", "all4", "all5"]),
        ("佐藤 花", "hana.sato@x.org", ["hana", "hana.sato", "hana.sato2", "hana.sato3"]),
        ("佐藤 花 (Hana Sato)", "x@x.org", ["hana", "hana.sato", "hana.sato2", "hana.sato3"]),
        ("يوسف", "يوسف@x.org", ["person", "person2", "person3", "person4"]),
        ("x" * 60, "x@x.org", ["x" * 26 + "2", "x" * 26 + "3", "x" * 26 + "4", "x" * 26 + "5"]),
    ],
)
def test_a_user_name_is_made_from_the_name_and_else_from_the_address(name, email, suggested):
    found = list(islice(user_names_for(name, email), 4))

    assert found == suggested
    assert [user_name(each) for each in found] == suggested  # each is one that could have been typed


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Ada@Example.ORG ", "ada@example.org"),
        ("ada+list@x.org", "ada+list@x.org"),
        ("ada@office.local", "ada@office.local"),
        ("ada@parley.test", "ada@parley.test"),
        ("ada@localhost", "ada@localhost"),
        ("ada@BÜCHER.example", "ada@bücher.example"),
    ],
)
def test_addresses_are_lower_case_and_may_be_of_an_inner_network(typed, kept):
    assert email_address(typed) == kept


@pytest.mark.parametrize(
    "typed", ["", None, "ada", "ada@", "@x.org", "ada@x", "a b@x.org", "ada@x..org", "ada@x.org\r\nBcc: eve@x.org",
              "ada@x.org, eve@x.org", "a\x00@x.org", "ada@" + "x" * 250 + ".org"],
)  # fmt: skip
def test_incomplete_addresses_are_refused(typed):
    with pytest.raises(Invalid) as refused:
        email_address(typed)

    assert refused.value.field == "email"


def test_what_one_says_about_oneself_keeps_its_lines_and_loses_control_characters():
    assert about_oneself(" One\r\ntwo\x00\x07 ") == "One\ntwo"
    assert about_oneself(None) == ""
    with pytest.raises(Invalid):
        about_oneself("x" * (BIO_LENGTH + 1))


def test_time_zones_are_places():
    assert {"UTC", "Europe/Bucharest", "America/Argentina/Ushuaia"} <= time_zones()
    assert not {"Factory", "localtime", "Etc/GMT+5", "EST"} & time_zones()
