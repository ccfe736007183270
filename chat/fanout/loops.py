"""The few things a transport needs from an event loop, for eventlet and for gevent.

Callbacks given to `watch_read`, `watch_write`, `soon` and `later` run in the loop itself: they must neither wait nor
raise. eventlet collects the ready descriptors of a round before it calls any, so a callback may come once more after
`unwatch`; each begins by looking whether it is still wanted.
"""


def loop_of(mode):
    """The Loop of "eventlet" or "gevent"."""
    return {"eventlet": EventletLoop, "gevent": GeventLoop}[mode]()


class EventletLoop:
    def __init__(self):
        import eventlet
        from eventlet import hubs

        self._hub, self._spawn, self.sleep = hubs.get_hub, eventlet.spawn_n, eventlet.sleep

    def spawn(self, function, *args):
        """Our own hub (chat/server) does this and `soon` with less ado than a timer takes."""
        getattr(self._hub(), "start", self._spawn)(function, *args)

    def watch_read(self, number, callback):
        return self._watch("read", number, callback)

    def watch_write(self, number, callback):
        return self._watch("write", number, callback)

    def _watch(self, kind, number, callback):
        hub = self._hub()
        listener = hub.add(kind, number, callback, callback, None)
        listener.greenlet = hub.greenlet  # it would keep the request's green thread and all it holds
        return listener

    def unwatch(self, handle):
        self._hub().remove(handle)

    def soon(self, callback):
        """Call it when what is to be called before has been."""
        hub = self._hub()
        soon = getattr(hub, "soon", None)
        if soon is not None:
            soon(callback)
        else:
            hub.schedule_call_global(0, callback)

    def later(self, seconds, callback, *args):
        self._hub().schedule_call_global(seconds, callback, *args)


class GeventLoop:
    READ, WRITE = 1, 2

    def __init__(self):
        import gevent

        self._hub, self._spawn, self.sleep = gevent.get_hub, gevent.spawn, gevent.sleep

    def spawn(self, function, *args):
        self._spawn(function, *args)

    def watch_read(self, number, callback):
        return self._watch(self.READ, number, callback)

    def watch_write(self, number, callback):
        return self._watch(self.WRITE, number, callback)

    def _watch(self, events, number, callback):
        watcher = self._hub().loop.io(number, events)
        watcher.start(callback, number)
        return watcher

    def unwatch(self, handle):
        handle.stop()
        handle.close()

    def soon(self, callback):
        self._hub().loop.run_callback(callback)

    def later(self, seconds, callback, *args):
        timer = self._hub().loop.timer(seconds)
        timer.start(self._fire, timer, callback, args)

    @staticmethod
    def _fire(timer, callback, args):
        timer.close()
        callback(*args)
