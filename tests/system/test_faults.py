"""The fault suite in short: a handful of clients, a few seconds for each fault. `make faults` takes its time.

What must never happen is asserted; how long something took is not, since the machine may be busy.
"""

import pytest

from tests.faults import network, processes, queue, reading, revoking, storage  # noqa: F401 - they fill the table
from tests.faults.table import FAULTS, Size, Worlds

SHORT = [fault for fault in FAULTS.values() if not fault.is_long]

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture(scope="module")
def worlds(founded):
    worlds = Worlds(founded=founded)
    yield worlds
    worlds.close()


def of_one_kind(fault):
    """Those that share a world follow one another."""
    return fault.alone, fault.database or "", sorted(fault.world.items())


@pytest.mark.parametrize("fault", sorted(SHORT, key=of_one_kind), ids=str)
def test_nothing_is_lost_twice_or_out_of_order(fault, worlds):
    outcome = worlds.run(fault, Size())

    assert outcome.broken == [], outcome
