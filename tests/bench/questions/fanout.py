"""How much can a server deliver when there is always more to do?"""

from tests.bench import charts
from tests.bench.figures import NAMES, goal, median, number, ratio, table, times
from tests.bench.servers import load

NAME, TITLE, PEOPLE = "fanout", "Throughput by room size", 1000

SENDERS = {10: 100, 100: 20, 1000: 10}  # by room size; each has WINDOW posts under way
WINDOW = 4
SERVERS = ("node", "parley", "floor", "plain")
GOALS = {1000: 13, 100: 4, 10: 1.2}


def run(bench):
    cases = {}
    for turn, kind in bench.interleaved(SERVERS, once=("plain",)):
        with bench.server(kind) as server:
            bench.warm_up(server)
            for size, senders in SENDERS.items():
                result = load(
                    server, "--connections", bench.people(1000), "--senders", senders, "--window", WINDOW,
                    "--duration", bench.seconds(2.5), "--acks", room_size=bench.people(size),
                )  # fmt: skip
                bench.say(turn, kind, f"rooms of {size}", f"{result['deliveries_per_s']:,.0f} deliveries/s", result)
                cases.setdefault(str(size), {}).setdefault(kind, []).append(result)
                if not result["finished"]:
                    server.restart()
    return {"cases": cases}


def goals(result):
    return [
        goal(
            f"saturated deliveries/s, rooms of {size:,}, × Node",
            ratio(result["cases"].get(str(size), {}), "parley", "deliveries_per_s"), limit, at_least=True,
        )
        for size, limit in GOALS.items()
    ]  # fmt: skip


def show(result, pictures):
    rows, bars = [], {}
    for size, runs in result["cases"].items():
        for kind in SERVERS:
            if kind not in runs:
                continue
            rows.append([
                f"rooms of {int(size):,}: {NAMES[kind]}", times(ratio(runs, kind, "deliveries_per_s")),
                times(ratio(runs, kind, "cpu_us_per_delivery")), number(median(runs, kind, "deliveries_per_s")),
                number(median(runs, kind, "posts_per_s")), number(median(runs, kind, "cpu_us_per_delivery")),
                number(median(runs, kind, "latency_ms.p99")),
            ])  # fmt: skip
            bars.setdefault(NAMES[kind], {})[f"rooms of {int(size):,}"] = median(runs, kind, "deliveries_per_s")
    name = "performance-throughput.svg"
    charts.write(
        pictures / name, charts.bars("Deliveries a second by room size, 1,000 people", bars, y="deliveries a second")
    )
    return [
        f"1,000 people; {WINDOW} posts of each sender are always under way. Parley merges what a connection is owed in",
        "one turn of its loop, so the more there is to do the less each delivery costs; Node and the floor send each",
        "frame by itself.",
        "",
        f"![Deliveries a second by room size](pictures/{name})",
        "",
        *table(["", "deliveries × Node", "CPU × Node", "deliveries/s", "posts/s", "CPU µs each", "p99 ms"], rows),
    ]
