"""Half of a room stops reading: what does that do to the server and to the others?"""

import statistics

from tests.bench.figures import NAMES, goal, median, number, table, times
from tests.bench.servers import load

NAME, TITLE, PEOPLE = "slow-readers", "Slow readers", 1000

READERS, SLOW, RATE, TEXT = 50, 50, 50, 8000
SERVERS = ("node", "parley")


def run(bench):
    cases = {}
    for turn, kind in bench.interleaved(SERVERS):
        with bench.server(kind, text=TEXT) as server:
            bench.warm_up(server)
            for slow in (0, SLOW):
                result = load(
                    server, "--connections", READERS + slow, "--stalled", slow, "--senders", 5, "--rate", RATE,
                    "--text-bytes", TEXT, "--duration", bench.seconds(4), "--acks", room_size=100,
                )  # fmt: skip
                result["grown_mib"] = (result["rss_peak_kb"] - result["rss_connected_kb"]) / 1024
                grown, p99 = result["grown_mib"], result["latency_ms"]["p99"]
                bench.say(turn, kind, f"{slow} never read", f"{grown:.0f} MiB more, p99 {p99:.1f} ms", result)
                cases.setdefault(_case(slow), {}).setdefault(kind, []).append(result)
    return {"cases": cases}


def _case(slow):
    return f"{slow} never read"


def _worse(result, kind):
    """The others' p99 beside slow readers, as a multiple of what it is without; within each round."""
    pairs = zip(result["cases"][_case(SLOW)][kind], result["cases"][_case(0)][kind], strict=True)
    return statistics.median(slow["latency_ms"]["p99"] / alone["latency_ms"]["p99"] for slow, alone in pairs)


def goals(result):
    grown = median(result["cases"][_case(SLOW)], "parley", "grown_mib")
    return [
        goal("50 that never read: MiB of growth", grown, 60, at_least=False),
        goal("the others' p99 then, × without them", _worse(result, "parley"), 1.25, at_least=False),
    ]


def show(result, pictures):
    rows = []
    for kind in SERVERS:
        slow, alone = result["cases"][_case(SLOW)], result["cases"][_case(0)]
        rows.append([
            NAMES[kind], number(median(slow, kind, "grown_mib")), number(median(alone, kind, "grown_mib")),
            times(_worse(result, kind)), number(median(slow, kind, "latency_ms.p99")),
            number(median(slow, kind, "stalled_alive"), 0),
        ])  # fmt: skip
    return [
        f"A room of {READERS + SLOW}; {RATE} posts a second of {TEXT:,} characters; {SLOW} of them never read again",
        "once they are in. Growth is the peak of resident memory while sending, less what it was before; the kernel's",
        "own buffers are not in it.",
        "",
        *table(
            [
                "",
                f"MiB more, {SLOW} slow",
                "MiB more, none",
                "others' p99 × without",
                "others' p99 ms",
                "slow ones kept",
            ],
            rows,
        ),
    ]
