"""How many messages does one process store and acknowledge in a second?"""

from tests.bench.figures import NAMES, goal, median, number, ratio, table, times
from tests.bench.servers import load

NAME, TITLE, PEOPLE = "posts", "Posts stored per second", 1000

SERVERS = ("node", "parley")


def run(bench):
    runs = {}
    for turn, kind in bench.interleaved(SERVERS):
        with bench.server(kind) as server:
            bench.warm_up(server)
            before = server.stored() if kind == "parley" else 0
            result = load(
                server, "--connections", bench.people(1000), "--senders", 100, "--window", 4, "--window-by-ack",
                "--duration", bench.seconds(3), "--acks", room_size=10,
            )  # fmt: skip
            if kind == "parley":
                result["stored"] = server.stored() - before
                result["ok"] = result["ok"] and result["stored"] == result["acked"]
            bench.say(turn, kind, "rooms of 10", f"{result['acked_per_s']:,.0f} acknowledged/s", result)
            runs.setdefault(kind, []).append(result)
    return {"cases": {"rooms of 10": runs}}


def goals(result):
    runs = result["cases"]["rooms of 10"]
    return [goal("posts acknowledged/s, × Node's relaying", ratio(runs, "parley", "acked_per_s"), 1, at_least=True)]


def show(result, pictures):
    runs = result["cases"]["rooms of 10"]
    rows = [
        [NAMES[kind], times(ratio(runs, kind, "acked_per_s")), times(ratio(runs, kind, "cpu_us_per_post")),
         number(median(runs, kind, "acked_per_s")), number(median(runs, kind, "cpu_us_per_post")),
         number(median(runs, kind, "ack_ms.p50")), number(median(runs, kind, "ack_ms.p99"))]
        for kind in SERVERS if kind in runs
    ]  # fmt: skip
    stored = sum(run["stored"] for run in runs["parley"])
    return [
        "Rooms of 10, 100 senders with 4 posts under way each; the next is sent when one is acknowledged. Parley",
        "acknowledges what SQLite has synchronized to the disk (`synchronous=FULL`); Node acknowledges what it has",
        f"relayed. Afterwards the database is counted: {stored:,} messages acknowledged, as many stored.",
        "",
        *table(["", "posts × Node", "CPU × Node", "acknowledged/s", "CPU µs per post", "p50 ms", "p99 ms"], rows),
    ]
