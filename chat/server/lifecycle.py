"""All that the application and the worker know of each other: what to do before the process ends."""

import logging

log = logging.getLogger(__name__)
_callbacks = []


def on_stop(callback):
    """Have `callback(quick)` called when this process is told to stop, after it has ceased to accept connections.

    It may block, and everything still runs: requests, websockets, the database. Websockets are ended only after all
    callbacks have returned, so this is where clients are told. `quick` means that about a second is left. Callbacks run
    in the order they were registered.
    """
    _callbacks.append(callback)


def stop(quick):
    """Run what `on_stop` registered. One that fails is logged and the others still run."""
    while _callbacks:
        callback = _callbacks.pop(0)
        try:
            callback(quick)
        except Exception:
            log.exception("Stopping: %s failed", getattr(callback, "__qualname__", callback))
