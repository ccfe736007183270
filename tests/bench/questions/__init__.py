"""What is asked, one question a file, in the order of the report.

A question has NAME (for --only), TITLE, PEOPLE (how many the database needs), `run(bench)`, which returns JSON, and
`show(result, pictures)`, which writes its part of docs/performance.md from that.
"""

from tests.bench.questions import (
    fanout,
    latency,
    memory,
    posts,
    processes,
    profile,
    slow_disk,
    slow_readers,
    storm,
)

ALL = (latency, fanout, posts, memory, storm, processes, slow_readers, slow_disk, profile)
