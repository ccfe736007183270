"""How long does a message take, at loads a server can bear?"""

from tests.bench import charts
from tests.bench.figures import NAMES, goal, median, number, ratio, table, times
from tests.bench.servers import load

NAME, TITLE, PEOPLE = "latency", "Latency over load", 1000

LOADS = {1000: (10, 20, 40), 10: (100, 500, 2000)}  # posts a second, in rooms of that size
SENDERS = {1000: 10, 10: 100}
SERVERS = ("node", "parley", "floor", "plain")
PLAIN_LOADS = ((1000, 10), (1000, 20), (10, 100), (10, 500))  # more only makes it fall behind
GOALS_AT = {1000: 20, 10: 500}


def run(bench):
    cases = {}
    for turn, kind in bench.interleaved(SERVERS, once=("plain",)):
        with bench.server(kind) as server:
            bench.warm_up(server)
            for size, rates in LOADS.items():
                for rate in rates:
                    if kind == "plain" and (size, rate) not in PLAIN_LOADS:
                        continue
                    result = load(
                        server, "--connections", bench.people(1000), "--senders", SENDERS[size], "--rate", rate,
                        "--duration", bench.seconds(2.5), "--drain", 6, "--acks", room_size=bench.people(size),
                    )  # fmt: skip
                    bench.say(
                        turn, kind, f"{rate}/s, rooms of {size}", f"p99 {result['latency_ms']['p99']:.1f} ms", result
                    )
                    cases.setdefault(f"{size} @ {rate}", {}).setdefault(kind, []).append(result)
                    if not result["finished"]:
                        server.restart()
                        break
    return {"cases": cases}


def goals(result):
    large, small = (result["cases"].get(f"{size} @ {rate}", {}) for size, rate in GOALS_AT.items())
    return [
        goal(
            "CPU per delivery, 20 posts/s into a room of 1,000, × Node",
            ratio(large, "parley", "cpu_us_per_delivery"), 0.65, at_least=False,
        ),
        goal(
            "the same, × the C floor",
            ratio(large, "parley", "cpu_us_per_delivery", base="floor"), 1.3, at_least=False,
        ),
        goal("p99 there, × Node", ratio(large, "parley", "latency_ms.p99"), 0.75, at_least=False),
        goal(
            "p99, 500 posts/s over rooms of 10, × Node", ratio(small, "parley", "latency_ms.p99"), 1.2, at_least=False
        ),
    ]  # fmt: skip


def show(result, pictures):
    rows = []
    for case, runs in result["cases"].items():
        size, rate = case.split(" @ ")
        for kind in SERVERS:
            if kind not in runs:
                continue
            late = [r for r in runs[kind] if not r["finished"]]
            rows.append([
                f"{int(rate):,} posts/s, rooms of {int(size):,}: {NAMES[kind]}",
                times(ratio(runs, kind, "latency_ms.p99")), times(ratio(runs, kind, "cpu_us_per_delivery")),
                number(median(runs, kind, "latency_ms.p50")), number(median(runs, kind, "latency_ms.p99")),
                number(median(runs, kind, "cpu_us_per_delivery")), "behind" if late else "",
            ])  # fmt: skip
    pages = []
    for size, rates in LOADS.items():
        series = {}
        for kind in SERVERS:
            points = []
            for rate in rates:
                runs = result["cases"].get(f"{size} @ {rate}", {})
                if all(run["finished"] for run in runs.get(kind, [])):
                    points.append((rate, median(runs, kind, "latency_ms.p99")))
            series[NAMES[kind]] = [(x, y) for x, y in points if y]
        name = f"performance-latency-{size}.svg"
        charts.write(
            pictures / name, charts.lines(
                f"p99 in ms over posts a second, 1,000 people in rooms of {size:,}", series,
                x="posts a second", y="p99 in ms", logarithmic=True,
            )
        )  # fmt: skip
        pages.append(f"![99th percentile of the latency over load, rooms of {size:,}](pictures/{name})")
    return [
        "From the moment a message was due to be sent until each receiver has it; 1,000 people are connected. So a",
        "message that had to wait because the server was late with those before it is charged for that, too.",
        "",
        *pages,
        "",
        *table(["", "p99 × Node", "CPU × Node", "p50 ms", "p99 ms", "CPU µs per delivery", ""], rows),
    ]
