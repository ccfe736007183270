"""gunicorn worker class on eventlet green threads. gunicorn dropped its own in version 26."""

import itertools
from functools import partial

from chat.server import async_mode  # first: it silences eventlet's notice

import eventlet  # isort: skip
from eventlet import greenio, greenpool, hubs
from eventlet.wsgi import WSGI_LOCAL
from gunicorn.workers.base_async import AsyncWorker

from chat.server.hub import Hub
from chat.server.ordered_stop import OrderedStop

ACCEPTED_AT_ONCE = 16  # when everybody comes back within a moment; then others have their turn


class EventletWorker(OrderedStop, AsyncWorker):
    def init_process(self):
        # A fresh epoll descriptor: the master's is shared with every other worker.
        hubs.use_hub(Hub if Hub.is_available() else None)
        async_mode.patch(under_worker=True)  # before load_wsgi() imports the application
        super().init_process()

    def load_wsgi(self):
        super().load_wsgi()
        self.wsgi = partial(_without_noise, self.wsgi)

    def detach(self, sock):
        return sock.fd.detach()

    def timeout_ctx(self):
        return eventlet.Timeout(self.cfg.keepalive or None, False)

    def is_already_handled(self, respiter):
        """End the connection after a websocket, instead of writing an HTTP response into it."""
        if getattr(WSGI_LOCAL, "already_handled", False):
            WSGI_LOCAL.already_handled = False
            raise StopIteration
        return super().is_already_handled(respiter)

    def run(self):
        pool = greenpool.GreenPool(self.worker_connections)
        listeners = [greenio.GreenSocket(listening.sock) for listening in self.sockets]
        acceptors = [eventlet.spawn(self.accept, listener, pool) for listener in listeners]
        self.serve()
        for acceptor in acceptors:
            acceptor.kill(eventlet.StopServe())
        for listener in listeners:
            listener.close()
        self.finish()

    def accept(self, listener, pool):
        """Hand every connection to a green thread of `pool`; while all are busy the next ones wait in the backlog."""
        listener.setblocking(True)
        turns = itertools.cycle(range(ACCEPTED_AT_ONCE))
        try:
            while True:
                try:
                    client, addr = listener.accept()
                except OSError as error:  # out of descriptors, or the client has gone: never a reason to go deaf
                    self.log.warning("Cannot accept a connection: %s", error)
                    eventlet.sleep(0.1)
                else:
                    pool.spawn_n(self.handle, listener, client, addr)
                    if not next(turns):
                        eventlet.sleep(0)
        except eventlet.StopServe:
            pass


def _without_noise(app, environ, start_response):
    """Call `app`, leaving out the complaint eventlet writes whenever a websocket was closed before it could do so."""
    if environ.get("HTTP_UPGRADE", "").lower() == "websocket":
        environ["wsgi.errors"] = _Errors(environ["wsgi.errors"])
    return app(environ, start_response)


class _Errors:
    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        if "socket shutdown error" not in text:
            self._stream.write(text)
