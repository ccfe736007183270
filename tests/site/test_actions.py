import pytest

from chat.core.db import db
from chat.core.errors import Conflict, Invalid
from chat.site.actions import create_site
from chat.site.models import Site
from chat.site.queries import the_site
from chat.streams.log import ACCESS, SITE, heads


@pytest.fixture
def nobody_here(app):
    """An application whose community has not been founded."""
    db.drop_all()
    db.create_all()
    return app


def test_before_setup_there_is_no_community(nobody_here):
    assert the_site() is None


def test_founding_makes_the_community_and_its_streams(nobody_here):
    site = create_site("  Tidewater\n", 280)

    assert (site.name, site.hue, site.sign_up, site.is_open) == ("Tidewater", 280, "invite", False)
    assert the_site() is site
    assert heads([SITE, ACCESS]) == {SITE: 0, ACCESS: 0}


def test_every_community_has_an_epoch_of_its_own(nobody_here):
    first = create_site("Tidewater").epoch
    db.drop_all()
    db.create_all()
    db.session.expunge_all()

    assert create_site("Tidewater").epoch != first
    assert len(first) >= 20


def test_a_community_is_founded_once(nobody_here):
    create_site("Tidewater")

    with pytest.raises(Conflict):
        create_site("Lowwater")
    assert the_site().name == "Tidewater"


def test_of_two_who_found_it_at_once_the_second_is_refused(nobody_here, monkeypatch):
    create_site("Tidewater")
    monkeypatch.setattr("chat.site.actions.the_site", lambda: None)  # the second looked before the first had written
    db.session.expunge_all()

    with pytest.raises(Conflict):
        create_site("Lowwater")
    assert db.session.query(Site).one().name == "Tidewater"


@pytest.mark.parametrize(
    ("name", "hue", "field"), [("", 205, "name"), ("x" * 61, 205, "name"), ("Tidewater", 7, "hue")]
)
def test_a_community_needs_a_name_and_one_of_the_colours(nobody_here, name, hue, field):
    with pytest.raises(Invalid) as refused:
        create_site(name, hue)

    assert refused.value.field == field
    assert the_site() is None
