"""The search of test_delivery.py in a process of its own: `python -m tests.faults.search 100 50 [mutation]`.

So many programs of so many steps against two servers, which the mutation spoils. Prints what was found, as JSON.
"""

import json
import sys
from contextlib import redirect_stdout

from hypothesis.errors import Flaky

from tests.faults.world import World
from tests.system.test_delivery import try_programs


def main(programs, steps, mutation=""):
    spoilt = ",".join(filter(None, ("fast_poll=0.1", mutation)))
    with redirect_stdout(sys.stderr):
        world = World(queue=False, instances=2, faults=spoilt)
        try:
            try_programs(world.servers, programs=int(programs), steps=int(steps))
        except (AssertionError, ExceptionGroup, Flaky) as error:  # not the first: another failure when tried again
            while isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            found = str(error).partition("\n")[0][:200] or "an assertion"
        else:
            found = None
        finally:
            world.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
