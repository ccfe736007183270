"""What does somebody who is merely there cost?"""

from tests.bench import charts
from tests.bench.figures import NAMES, goal, median, number, ratio, table, times
from tests.bench.servers import load

NAME, TITLE, PEOPLE = "memory", "Memory by connections", 10_000

SIZES = (1000, 5000, 10_000)
SERVERS = ("node", "parley", "plain")
PLAIN_MOST = 5000  # more take it longer than all the rest
SETTLE = 2  # seconds after the last one came


def run(bench):
    cases = {}
    for size in SIZES if not bench.quick else SIZES[:1]:
        for turn, kind in bench.interleaved(SERVERS, rounds=1):
            if kind == "plain" and size > PLAIN_MOST:
                continue
            with bench.server(kind) as server:
                load(server, "--connections", 100, "--duration", 0, room_size=10)
                result = load(
                    server, "--connections", bench.people(size), "--duration", 0, "--hold", SETTLE,
                    "--connect-timeout", 100, room_size=10,
                )  # fmt: skip
                grown = result["rss_connected_kb"] - result["rss_before_kb"]
                result["kb_per_connection"] = grown / max(1, result["connected"])
                bench.say(turn, kind, f"{size:,} connections", f"{result['kb_per_connection']:.1f} KiB each", result)
                cases.setdefault(str(size), {}).setdefault(kind, []).append(result)
    return {"cases": cases}


def goals(result):
    runs = result["cases"].get(str(SIZES[-1]), {})
    measured = ratio(runs, "parley", "kb_per_connection")
    return [goal("memory per idle connection at 10,000, × Node", measured, 0.5, at_least=False)]


def show(result, pictures):
    rows, series = [], {}
    for size, runs in result["cases"].items():
        for kind in SERVERS:
            if kind not in runs:
                continue
            rows.append([
                f"{int(size):,}: {NAMES[kind]}", times(ratio(runs, kind, "kb_per_connection")),
                number(median(runs, kind, "kb_per_connection")), number(median(runs, kind, "rss_connected_kb") / 1024),
                number(median(runs, kind, "connects_per_s")), number(median(runs, kind, "cpu_us_per_connect")),
            ])  # fmt: skip
            series.setdefault(NAMES[kind], []).append((int(size), median(runs, kind, "rss_connected_kb") / 1024))
    name = "performance-memory.svg"
    charts.write(
        pictures / name,
        charts.lines("MiB of the server's processes by connections", series, x="idle connections", y="MiB"),
    )
    return [
        "Idle connections, each in a room of 10; Parley's are signed in, in three rooms each. Resident memory of the",
        f"server's processes {SETTLE} s after the last one came, less what it was before; fresh servers, one round.",
        "",
        f"![Memory by connections](pictures/{name})",
        "",
        *table(["", "memory × Node", "KiB each", "MiB in all", "connects/s", "CPU µs per connect"], rows),
    ]
