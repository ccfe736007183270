"""The bodies of requests: they must keep coming, and whatever is wrong with them is the client's affair.

To the application both are a client that has gone: an OSError, which Werkzeug answers with 400.
"""

import errno
import time

from gunicorn.http.errors import ParseException

from chat.server import async_mode

FIRST_SECONDS = 15  # for a body to arrive, and a second more for each
BYTES_PER_SECOND = 1000  # of it that have: a slow telephone is faster
IN_A_TURN = 65_536  # bytes of a body; taking a picture apart that has all arrived would hold the loop for 30 ms


class PacedSocket:
    """Stands in for a connection's socket while the body of one request is read from it.

    A timeout for each read alone would let a client hold a connection for days, a byte at a time.
    """

    def __init__(self, sock):
        self.sock, self.until = sock, time.monotonic() + FIRST_SECONDS
        self.in_this_turn = 0

    def recv(self, size):
        """Raises TimeoutError when the body is too slow; to the application that is a client that has gone."""
        otherwise = self.sock.gettimeout()
        self.sock.settimeout(max(0.001, self.until - time.monotonic()))
        try:
            data = self.sock.recv(size)
        finally:
            self.sock.settimeout(otherwise)
        self.until += len(data) / BYTES_PER_SECOND
        self.in_this_turn += len(data)
        if self.in_this_turn >= IN_A_TURN:
            self.in_this_turn = 0
            async_mode.sleep(0)
        return data

    def __getattr__(self, name):
        return getattr(self.sock, name)


class CarefulReader:
    """Reads a body for gunicorn. A chunk or trailer that is none would else be an error of ours: 500 and a traceback
    in the log, whenever somebody likes. gunicorn passes over a connection that was reset, also where it reads what the
    application left."""

    def __init__(self, reader):
        self.reader = reader

    def read(self, size):
        try:
            return self.reader.read(size)
        except ParseException as error:
            raise ConnectionResetError(errno.ECONNRESET, f"the body cannot be read: {error}") from None
