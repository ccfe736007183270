"""What our two gunicorn workers share: websockets leave gunicorn, and everything ends in order.

gunicorn waits for every connection before a worker may leave. A websocket never ends by itself and a browser keeps idle
connections open, so left alone every restart would last the whole graceful timeout.

A request to upgrade finds `environ["server.handover"]`. Whoever calls `take()` owns the socket; the request is over,
and gunicorn can neither write to it nor close it.
"""

import _socket
import os
import resource
import socket
import time
from contextlib import suppress
from datetime import datetime

from gunicorn.http import wsgi

from chat.core.pace import Pace
from chat.server import async_mode, lifecycle
from chat.server.bodies import CarefulReader, PacedSocket

QUICK_SECONDS = 1.5  # all of a quick stop
LAST_REQUEST_SECONDS = 0.5  # an idle connection may still send a request on its way; then it ends
HANG_UP_SECONDS = 1.0  # a client may close its websocket by itself, having read all; then we cut it
HTTP_RESERVE = 32  # connections that websockets leave free, at most a quarter of all
REQUESTS_IN_A_TURN = 8  # of the loop at most, fewer where they compute for long: many at once hold up nobody
OTHER_FILES = 100  # descriptors for what is no connection: databases, logs, listeners


class Handover:
    """The socket of one request to upgrade, to be taken once."""

    __slots__ = ("request", "sock", "taken", "worker")

    def __init__(self, worker, sock, request):
        self.worker, self.sock, self.request, self.taken = worker, sock, request, False

    def take(self):
        """Return (the connected socket, non-blocking; the bytes that the client sent behind its request). The caller
        owes one `release()` when the connection has ended."""
        early = self.request.unreader.take_buffered()
        sock = _socket.socket(fileno=self.worker.detach(self.sock))
        sock.setblocking(False)
        self.taken = True
        self.worker.handed_over += 1
        self.sock = self.request = None
        return sock, early

    def release(self):
        self.worker.handed_over -= 1


class OrderedStop:
    """Mixed into an AsyncWorker of gunicorn, before it in the bases.

    `run()` starts accepting, calls `serve()`, stops accepting and calls `finish()`. TERM and HUP allow
    `graceful_timeout` for requests under way; INT and QUIT make the same steps in `QUICK_SECONDS`.
    """

    @classmethod
    def check_config(cls, cfg, log):
        if cfg.is_ssl:
            raise RuntimeError("certfile and keyfile are set, but TLS belongs in the reverse proxy. Remove them.")
        if cfg.preload_app:
            raise RuntimeError(
                "preload_app is set, but every worker must load the application anew, or a HUP would bring back the "
                "program of the first start. Remove it."
            )

    def init_process(self):
        self.quick = False
        self.connections = {}  # socket: "waiting" for a request, in a "request", or a "websocket"
        self.handed_over = 0
        self.beginning = Pace(spawn=async_mode.spawn, sleep=async_mode.sleep, most=REQUESTS_IN_A_TURN)
        self.most_websockets = _most_websockets(self.worker_connections)
        super().init_process()

    def detach(self, sock):
        """Take the descriptor out of gunicorn's socket, whose close() then closes nothing."""
        return sock.detach()

    def handle(self, listener, client, addr):
        self.connections[client] = "waiting"
        try:
            super().handle(listener, client, addr)
        finally:
            del self.connections[client]

    def handle_request(self, listener_name, req, sock, addr):
        websocket = any(name == "UPGRADE" and value.lower() == "websocket" for name, value in req.headers)
        if websocket and async_mode.hands_over():
            self._upgrade(listener_name, req, sock, addr)
            raise StopIteration  # ends gunicorn's loop over the requests of this connection
        self.connections[sock] = "websocket" if websocket else "request"
        self.beginning.turn()
        # A client that stops reading, or half a body and then silence, would otherwise hold a connection for ever. A
        # websocket may be silent: its own ping notices a dead peer.
        sock.settimeout(None if websocket else self.cfg.timeout or None)
        req.unreader.sock, req.body.reader = PacedSocket(sock), CarefulReader(req.body.reader)
        try:
            return super().handle_request(listener_name, req, sock, addr)
        except TimeoutError:
            raise StopIteration from None  # it does not read our answer: its own affair, and no error of ours
        finally:
            req.unreader.sock = sock
            self.connections[sock] = "waiting"

    def _upgrade(self, listener_name, req, sock, addr):
        """What gunicorn does for a request, but the answer may be that the socket is gone."""
        began = datetime.now()
        self.connections[sock] = "request"
        sock.settimeout(self.cfg.timeout or None)  # whoever says "upgrade" may ask for any page, and not read it
        req.unreader.sock, req.body.reader = PacedSocket(sock), CarefulReader(req.body.reader)
        self.cfg.pre_request(self, req)
        resp, environ = wsgi.create(req, sock, addr, listener_name, self.cfg)
        environ["wsgi.multithread"] = True
        resp.force_close()
        handover = Handover(self, sock, req)
        try:
            if self.handed_over < self.most_websockets:
                environ["server.handover"] = handover
            body = self.wsgi(environ, resp.start_response)
            if handover.taken:
                resp.status = "101 Switching Protocols"
            else:
                try:
                    for item in body:
                        resp.write(item)
                    resp.close()
                except TimeoutError:
                    pass  # it does not read our answer
                finally:
                    if hasattr(body, "close"):
                        body.close()
            self.log.access(resp, req, environ, datetime.now() - began)
        finally:
            self.cfg.post_request(self, req, environ, resp)

    def handle_quit(self, sig, frame):
        """INT and QUIT. Only flags: a signal handler must not block, and serve() looks at them."""
        self.quick = True
        self.alive = False

    def handle_usr1(self, sig, frame):
        async_mode.spawn(super().handle_usr1, sig, frame)  # reopens log files, which may block

    def serve(self):
        """Return when the worker has been told to stop, or its master is gone."""
        while self.alive:
            self.notify()
            if self.ppid != os.getppid():
                self.log.info("Parent changed, shutting down: %s", self)
                return
            async_mode.sleep(0.2)

    def finish(self):
        """Let the application say goodbye, then end every connection, within the time there is."""
        said = []
        async_mode.spawn(self._say_goodbye, said)
        started = time.monotonic()
        while self.connections or self.handed_over or not said:
            now = time.monotonic()
            if now - started > (QUICK_SECONDS if self.quick else self.cfg.graceful_timeout - 1):
                states = list(self.connections.values())
                self.log.warning(
                    "Stopping with %d requests and %d websockets unfinished (pid:%s)",
                    states.count("request"),
                    states.count("websocket") + self.handed_over,
                    self.pid,
                )
                return
            if self.quick or now - started > LAST_REQUEST_SECONDS:
                self._end("waiting", socket.SHUT_RD)  # what has already arrived is still read and answered
            if said:
                # First only our half: closing with unread input would reset the connection and destroy the goodbye
                # on its way to the client.
                patience = HANG_UP_SECONDS / 4 if self.quick else HANG_UP_SECONDS
                self._end("websocket", socket.SHUT_WR if now - said[0] < patience else socket.SHUT_RDWR)
            self.notify()
            async_mode.sleep(0.05)

    def _say_goodbye(self, said):
        try:
            lifecycle.stop(self.quick)
        finally:
            said.append(time.monotonic())

    def _end(self, state, how):
        for sock, doing in list(self.connections.items()):
            if doing == state:
                with suppress(OSError, ValueError):  # closed already, by the peer or by its own green thread
                    _shutdown(sock.fileno(), how)


def _most_websockets(connections):
    """How many websockets this process can hold, as few descriptors as the system may give it. Raises its own limit as
    far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        connections = min(connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OTHER_FILES)
    return max(1, connections - min(HTTP_RESERVE, connections // 4))


def _shutdown(number, how):
    """Shut the connection down in the kernel only: gevent's own shutdown() also throws into whoever is reading."""
    raw = _socket.socket(fileno=number)
    try:
        raw.shutdown(how)
    finally:
        raw.detach()
