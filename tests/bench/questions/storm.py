"""Everybody is cut off and comes back at once: how soon is everything as it should be?"""

from tests.bench.figures import NAMES, goal, median, number, ratio, table, times
from tests.bench.servers import load

NAME, TITLE, PEOPLE = "storm", "Reconnect storm", 5000

CLIENTS, AT_ONCE = 5000, 500
SENDERS, AWAY = 50, 10  # who stays, and posts that many messages each while the others are away
SERVERS = ("node", "parley")


def run(bench):
    runs = {}
    for turn, kind in bench.interleaved(SERVERS):
        with bench.server(kind) as server:
            load(server, "--connections", 200, "--duration", 0)
            options = ["--connections", bench.people(CLIENTS), "--at-once", AT_ONCE, "--storm"]
            if kind == "parley":
                missed = ["--senders", SENDERS, "--away", AWAY, "--acks", "--resume-event", "resume", "--drain", 30]
                result = load(server, *options, *missed, room_size=10)
            else:
                result = load(server, *options, "--senders", 0)
            bench.say(turn, kind, f"{result['returned']:,} back", f"in {result['return_s']:.1f} s", result)
            runs.setdefault(kind, []).append(result)
    return {"cases": {"storm": runs}}


def goals(result):
    runs = result["cases"]["storm"]
    return [
        goal(
            "5,000 back, resumed: × Node's bare connects/s", ratio(runs, "parley", "returns_per_s"), 0.8, at_least=True
        ),
        goal("seconds until all are equal", median(runs, "parley", "return_s"), 30, at_least=False),
    ]


def show(result, pictures):
    runs = result["cases"]["storm"]
    rows = [
        [NAMES[kind], times(ratio(runs, kind, "returns_per_s")), times(ratio(runs, kind, "cpu_us_per_return")),
         number(median(runs, kind, "returns_per_s")), number(median(runs, kind, "return_s")),
         number(median(runs, kind, "cpu_us_per_return")), number(median(runs, kind, "return_ms.p99"))]
        for kind in SERVERS if kind in runs
    ]  # fmt: skip
    return [
        f"{CLIENTS:,} people are cut off and dial again, {AT_ONCE} at the same time. With Parley {SENDERS} stay and",
        f"post {SENDERS * AWAY} messages meanwhile; everyone signs in by their session, resumes, and is back only once",
        "what they missed is there, each message once and in order. Node's are back when they are connected: they are",
        "nobody, and what they missed is gone.",
        "",
        *table(
            ["", "per second × Node", "CPU × Node", "back/s", "seconds for all", "CPU µs each", "p99 ms each"], rows
        ),
    ]
