"""gunicorn's own gevent worker with our ordered stop; `ASYNC_MODE=gevent` chooses it."""

from functools import partial

from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.workers import ggevent

from chat.server import async_mode
from chat.server.ordered_stop import OrderedStop


class Server(StreamServer):
    """gevent shuts a connection down after its handler; one that was handed over has no number left to do that with."""

    max_accept = 16  # in one turn of the loop, as in worker.py

    def do_close(self, sock, *args):
        if sock.fileno() != -1:
            super().do_close(sock, *args)


class GeventWorker(OrderedStop, ggevent.GeventWorker):
    def init_process(self):
        async_mode.patch(under_worker=True)
        super().init_process()

    def notify(self):
        self.tmp.notify()  # the inherited one leaves at once when the master is gone; serve() stops in order

    def run(self):
        servers = []
        for listener in self.sockets:
            listener.setblocking(True)
            # A pool of its own: a server that stopped accepting when its pool was full resumes when that pool has room.
            server = Server(listener, partial(self.handle, listener), spawn=Pool(self.worker_connections))
            server.start()
            servers.append(server)
        self.serve()
        for server in servers:
            server.close()
        self.finish()
