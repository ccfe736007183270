"""Parley with faults in it: `FAULTS="name=value,…" python -m tests.faults` serves what `make run` serves, but worse.

The faults are functions in app.py, each of which spoils one class of the product before anybody uses it.
"""
