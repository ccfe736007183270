"""Two processes with Redis between them: what does a second one bring?"""

from contextlib import ExitStack

from tests.bench.figures import NAMES, goal, median, number, ratio, table, times
from tests.bench.servers import Redis, load

NAME, TITLE, PEOPLE = "processes", "Two processes over Redis", 1000

CASES = {"saturated": ("--window", 4), "300 posts/s": ("--rate", 300)}
SERVERS = ("node", "parley")


def run(bench):
    cases = {}
    for turn, kind in bench.interleaved(SERVERS):
        with ExitStack() as stack:
            redis = stack.enter_context(Redis(bench.work))
            if kind == "parley":
                first = stack.enter_context(bench.server(kind, MESSAGE_QUEUE_URL=redis.url))
                second = stack.enter_context(bench.server(kind, MESSAGE_QUEUE_URL=redis.url, data=first.data))
            else:
                first, second = (stack.enter_context(bench.server(kind, REDIS=redis.url)) for _ in range(2))
            bench.warm_up([first, second])
            for case, how in CASES.items():
                result = load(
                    [first, second], "--connections", bench.people(1000), "--senders", 100, "--sender-target", 0, *how,
                    "--duration", bench.seconds(3), "--acks", room_size=10,
                )  # fmt: skip
                across = result["across_ms"]["p99"]
                bench.say(turn, kind, case, f"{result['deliveries_per_s']:,.0f}/s, p99 across {across:.1f} ms", result)
                cases.setdefault(case, {}).setdefault(kind, []).append(result)
    return {"cases": cases}


def goals(result):
    saturated, steady = (result["cases"].get(case, {}) for case in CASES)
    return [
        goal(
            "two processes over Redis, rooms of 10: deliveries/s × Node with its adapter",
            ratio(saturated, "parley", "deliveries_per_s"), 2, at_least=True,
        ),
        goal("p99 across at 300 posts/s, × Node", ratio(steady, "parley", "across_ms.p99"), 1, at_least=False),
    ]  # fmt: skip


def show(result, pictures):
    rows = []
    for case, runs in result["cases"].items():
        rows += [
            [f"{case}: {NAMES[kind]}", times(ratio(runs, kind, "deliveries_per_s")),
             times(ratio(runs, kind, "across_ms.p99")), times(ratio(runs, kind, "cpu_us_per_post")),
             number(median(runs, kind, "deliveries_per_s")), number(median(runs, kind, "latency_ms.p99")),
             number(median(runs, kind, "across_ms.p99")), number(median(runs, kind, "cpu_us_per_post"))]
            for kind in SERVERS if kind in runs
        ]  # fmt: skip
    head = ["", "deliveries × Node", "p99 across × Node", "CPU × Node", "deliveries/s", "p99 here ms", "p99 across ms"]
    return [
        "Rooms of 10, every second member on the other process, all 100 senders on the first. *Across*: from one",
        "process to the other. CPU is the sum of both, without Redis. Both Parleys store in the same SQLite file.",
        "",
        *table([*head, "CPU µs per post"], rows),
    ]
