"""Do all that starting does, and then have gunicorn load the application with the faults."""

import os

from chat.server import start

execv = os.execv
os.execv = lambda program, args: execv(program, [*args[:-1], "tests.faults.app:app"])
start.main()
