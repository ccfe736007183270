"""The load generator notices what it has to notice. How fast anything is is no question here."""

import json
import subprocess

import pytest

from tests.bench.community import first_room, found
from tests.bench.servers import SECRET_KEY, Failed, Floor, Parley, compiled, load
from tests.bench.wrong_peer import WrongPeer

PEOPLE = 40


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with the compiled programs."""
    folder = tmp_path_factory.mktemp("bench")
    try:
        compiled(folder)
    except Failed as error:
        if "compiler is missing" in str(error):
            pytest.skip(str(error))
        raise
    return folder


@pytest.fixture(scope="module")
def parley(work):
    """A real Parley with 40 people, as the benchmark starts it."""
    (work / "seed").mkdir()
    found(work / "seed", {"DATA_DIR": str(work / "seed"), "SECRET_KEY": SECRET_KEY, "BCRYPT_COST": "4"}, PEOPLE)
    with Parley(work, people=PEOPLE) as server:
        yield server


def told(work, *options):
    """What the load generator says, given these options and no others."""
    command = [str(part) for part in (work / "loadgen", *options)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)


def against(peer, work):
    """What it says of a peer: two rooms of 10, one sender in each."""
    return told(
        work, "--target", peer.port, "--raw", "--path", "/", "--connections", 20, "--room-size", 10,
        "--senders", 2, "--rate", 50, "--duration", 0.4, "--drain", 0.5,
    )  # fmt: skip


def test_every_delivery_and_every_answer_of_a_real_parley_is_counted(parley):
    run = load(
        parley, "--connections", 20, "--senders", 4, "--rate", 20, "--duration", 1, "--acks", room_size=10,
    )  # fmt: skip

    assert run["ok"], run
    assert run["posts"] > 0
    assert run["deliveries"] == run["posts"] * 10
    assert run["acked"] == run["posts"] == parley.stored()
    assert run["cpu_s"] > 0
    assert run["rss_connected_kb"] > 10_000


def test_who_comes_back_to_a_real_parley_has_what_was_said_meanwhile(parley):
    run = load(
        parley, "--connections", 20, "--senders", 4, "--storm", "--away", 3, "--acks", "--resume-event", "resume",
        room_size=10,
    )  # fmt: skip

    assert run["ok"], run
    assert (run["posts"], run["returned"], run["deliveries"]) == (12, 16, 120)


def test_a_refusal_is_no_answer(parley):
    run = load(
        parley, "--connections", 10, "--rate", 20, "--duration", 0.3, "--drain", 0.5, "--acks", "--first-room", 999,
        room_size=10,
    )  # fmt: skip

    assert (run["ok"], run["acked"]) == (False, 0)
    assert run["refused"] == run["posts"] > 0
    assert "not_found" in run["first_error"]


def test_who_is_not_signed_in_is_not_counted_as_connected(parley, work, tmp_path):
    (tmp_path / "cookies").write_text("parley_session=nobodys\n")

    run = told(
        work, "--target", parley.port, "--namespace", "/chat", "--ready-event", "hello", "--connections", 5,
        "--cookies", tmp_path / "cookies", "--duration", 0,
    )  # fmt: skip

    assert (run["ok"], run["connected"]) == (False, 0)
    assert "unauthorized" in run["first_error"]


def test_a_peer_that_does_everything_right_is_found_right(work):
    with WrongPeer() as peer:
        run = against(peer, work)

    assert run["ok"], run
    assert run["deliveries"] == run["posts"] * 10 > 0


@pytest.mark.parametrize(
    ("fault", "noticed"),
    [
        ("lost", {"missing": 1}),
        ("twice", {"duplicated": 1}),
        ("swapped", {"missing": 0, "duplicated": 0}),
        ("replaced", {"wrong": 1, "missing": 0, "duplicated": 0}),
        ("elsewhere", {"foreign": 1, "missing": 0}),
    ],
)
def test_one_wrong_delivery_is_noticed(work, fault, noticed):
    with WrongPeer(fault) as peer:
        run = against(peer, work)

    assert run["ok"] is False
    assert {name: run[name] for name in noticed} == noticed
    assert (run["out_of_order"] > 0) == (fault != "elsewhere")


def test_the_floor_relays(work):
    with Floor(work) as floor:
        run = load(floor, "--connections", 20, "--senders", 4, "--rate", 50, "--duration", 0.4, room_size=10)

    assert run["ok"], run


def test_rooms_of_a_size_begin_where_the_smaller_ones_end():
    assert [first_room(1000, size) for size in (10, 100, 1000)] == [2, 102, 112]
