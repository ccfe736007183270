"""Parley with faults in it: `FAULTS="name=value,…" python -m tests.faults` serves what `make run` serves, but worse.

The faults are functions in app.py and mutations.py, each of which spoils one class of the product before anybody uses
it. What is done to processes, queues, disks and networks from outside is in the families below, told in table.py:
`make faults` runs them all, `make test` in short.
"""
