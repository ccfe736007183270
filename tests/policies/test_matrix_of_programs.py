"""The same matrix for programs: what a token gets is what its person gets at a browser, if the token is for that; and
pages and forms are not for tokens.

Everybody's token is tried that may do everything; of those that may do less, and of access tokens, those of a few.
"""

import pytest

from chat.accounts.scopes import listed
from chat.realtime import wire
from tests.conftest import FIGURES
from tests.policies.matrix import ACTORS, KINDS, of_community, of_rooms
from tests.policies.test_matrix import cells
from tests.policies.ways import IN_COMMUNITY, IN_ROOMS
from tests.policies.world import SHOWN, filled

pytestmark = pytest.mark.sqlite  # as in test_matrix.py

FEW = ("RV", "GR", "FM", "MR", "SM", "OW", "BR")
MIGHTY = ("MR", "OR")  # who is tried at pages and forms
TOKENS_OF = {"a token": [actor for actor in ACTORS if actor != "AN"], **dict.fromkeys([*SHOWN][1:], FEW)}
# Routes of the API about no person: whoever asks is not looked at.
ABOUT_NOBODY = ("/api/docs", "/api/docs/openapi.json", "/api/v1/token", "/api/v1/token/revoke")


def is_for_programs(way):
    return way.how in ("socket", "do", "sse") or (way.where.startswith("/api/") and way.where not in ABOUT_NOBODY)


def scope_of(way, world):
    """What a token has to be for, to go this way."""
    if way.how in ("socket", "do"):
        return next(events[way.where].scope for events in wire.CLIENT.values() if way.where in events)
    if way.how == "sse":
        return "read"
    path = filled(way.where, world.things("MR", "public")).partition("?")[0]
    endpoint, _ = world.app.url_map.bind("localhost").match(path, method=way.how)
    return world.app.view_functions[endpoint].scope


def expected_of(cell, shown, world):
    _, _, way, letter = cell
    scopes = listed(SHOWN[shown][1])
    if letter == "L":
        return "L"
    if way.how == "socket" and "read" not in scopes:
        return "L"  # it may not connect, since it would read
    return letter if scope_of(way, world) in scopes else "F"


def programs_cells(name):
    """((actor, kind, way, letter at a browser), what a program shows) of an action."""
    there = [cell for cell in cells(name) if is_for_programs(cell[2])]
    return [(cell, shown) for shown, actors in TOKENS_OF.items() for cell in there if cell[0] in actors]


ACTIONS = [name for name in (*IN_ROOMS, *IN_COMMUNITY) if programs_cells(name)]


@pytest.mark.parametrize("name", ACTIONS)
def test_a_token_gets_what_its_person_gets_if_it_is_for_that(world, name):
    wrong = []
    for cell, shown in programs_cells(name):
        actor, kind, way, _ = cell
        if world.changed():
            world.restore()
        letter, _ = world.take(way, actor, world.things(actor, kind), shown=shown)
        expected = expected_of(cell, shown, world)
        if letter != expected:
            wrong.append(f"{shown} of {actor} {kind or ''} {way}: {letter}, not {expected}")
        if letter != "Y" and world.changed():
            wrong.append(f"{shown} of {actor} {kind or ''} {way}: refused, and stored something")
    world.restore()
    assert not wrong, f"{len(wrong)} wrong cells: " + "; ".join(wrong[:40])


def test_pages_and_forms_are_not_for_tokens(world):
    """There, whoever shows nothing but a token is nobody."""
    rooms, community, wrong, tried = of_rooms(), of_community(), [], 0
    for name, (row, ways) in (IN_ROOMS | IN_COMMUNITY).items():
        kinds = KINDS if name in IN_ROOMS else (None,)
        for kind in kinds:
            nobody = (rooms[row, kind] if kind else community[row])["AN"]
            for way in ways:
                if is_for_programs(way) or nobody == ".":
                    continue
                for actor in MIGHTY:
                    if world.changed():
                        world.restore()
                    tried += 1
                    letter, _ = world.take(way, actor, world.things(actor, kind), shown="a token")
                    if letter != nobody:
                        wrong.append(f"{actor} {kind or ''} {way}: {letter}, not {nobody}")
    world.restore()
    assert not wrong, f"{len(wrong)} wrong cells: " + "; ".join(wrong[:40])
    assert tried > 500


def test_there_are_thousands_of_cells_for_programs():
    count = sum(len(programs_cells(name)) for name in ACTIONS)

    FIGURES.append(f"matrix of programs: {count:,} cells")
    assert count >= 3000
