"""A disk that takes 8 ms to synchronize: does the loop notice?"""

from contextlib import suppress

from tests.bench.figures import goal, median, number, table
from tests.bench.servers import load
from tests.system.server import wait_until

NAME, TITLE, PEOPLE = "slow-disk", "A slow disk", 1000

SYNC_MS = 8
CASES = {"300 posts/s": ("--rate", 300), "saturated": ("--window", 4, "--window-by-ack")}
TURNS, LATE = "parley_loop_turns_total", "parley_loop_late_total"


def run(bench):
    cases = {}
    slow = {"LD_PRELOAD": bench.work / "slowsync.so", "SLOWSYNC_MS": SYNC_MS}
    for turn, disk in bench.interleaved(("as it is", "slow")):
        for case, how in CASES.items():
            with bench.server("parley", **(slow if disk == "slow" else {})) as server:
                bench.warm_up(server)
                result = _watched(
                    server, "--connections", bench.people(1000), "--senders", 100, *how, "--settle", 1.5,
                    "--duration", bench.seconds(3), "--acks", room_size=10, people=bench.people(1000),
                )  # fmt: skip
            bench.say(turn, f"parley, disk {disk}", case, f"{result['acked_per_s']:,.0f} acknowledged/s", result)
            cases.setdefault(case, {}).setdefault(disk, []).append(result)
    return {"cases": cases}


def _watched(server, *options, room_size, people):
    """`load`, and how often the loop was late from when everybody was connected: connecting is not what is asked."""
    before = {}
    result = load(
        server, *options, room_size=room_size, while_running=lambda: before.update(_once_connected(server, people))
    )
    after = server.metrics()
    turns = after[TURNS] - before[TURNS]
    return {**result, "late_share": 100 * (after[LATE] - before[LATE]) / turns if turns else 0.0}


def _once_connected(server, people, seconds=60):
    """The metrics when so many are there. After that time as they are."""
    with suppress(AssertionError):
        wait_until(lambda: server.metrics()["parley_connections"] >= people, seconds=seconds)
    return server.metrics()


def goals(result):
    steady, saturated = (result["cases"][case] for case in CASES)
    return [
        goal("posts acknowledged/s with fsync at 8 ms", median(saturated, "slow", "acked_per_s"), 5000, at_least=True),
        goal(
            "then, at 300 posts/s: loop late over 5 ms, % of turns",
            median(steady, "slow", "late_share"), 5, at_least=False,
        ),
    ]  # fmt: skip


def show(result, pictures):
    rows = [
        [f"{case}, disk {disk}", number(median(runs, disk, "acked_per_s")), number(median(runs, disk, "ack_ms.p50")),
         number(median(runs, disk, "ack_ms.p99")), number(median(runs, disk, "latency_ms.p99")),
         number(median(runs, disk, "late_share"), 1), number(median(runs, disk, "cpu_us_per_post"))]
        for case, runs in result["cases"].items()
        for disk in ("as it is", "slow")
    ]  # fmt: skip
    return [
        f"Parley alone, with every fsync made {SYNC_MS} ms longer (*slow*) and with the disk as it is. Rooms of 10.",
        "*Late* are turns of the event loop that came more than 5 ms after they were due: while the disk writes,",
        "everything else has to go on.",
        "",
        *table(["", "acknowledged/s", "p50 ms", "p99 ms", "delivered p99 ms", "late %", "CPU µs per post"], rows),
    ]
