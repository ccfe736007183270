"""A way to the server on which no websocket comes through, as behind some proxies; and which can be cut."""

import socket
import threading
from contextlib import suppress


class NarrowWay:
    """Listens on `port` and passes on what comes to `server`.

    refuses   upgrades are answered with 403; "silently": they are not answered at all
    deaf      nothing is passed on, in either direction, and nobody is told
    swallows  a request that begins with this reaches the server, and its answer nobody
    """

    def __init__(self, server, port):
        self.server, self.port, self.url = server, port, f"http://localhost:{port}"
        self.refuses, self.swallows, self.swallowed = True, None, 0
        self._hears = threading.Event()
        self.deaf = False
        self._open = set()
        self._listening = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def deaf(self):
        return not self._hears.is_set()

    @deaf.setter
    def deaf(self, deaf):
        (self._hears.clear if deaf else self._hears.set)()

    def cookie(self, username):
        return self.server.cookie(username)

    def cut(self):
        """End everything that is under way."""
        for sock in list(self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._listening.shutdown(socket.SHUT_RDWR)  # close alone does not wake who waits for it
        self._listening.close()
        self.deaf = False
        self.cut()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near):
        with near, suppress(OSError):
            head = near.recv(65536)
            if self.refuses and b"upgrade: websocket" in head.lower():
                if self.refuses == "silently":
                    near.recv(1)  # until the browser gives up
                    return
                near.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self.server.port)) as far:
                self._open |= {near, far}
                back = threading.Thread(target=self._pass_on, args=(far, near), daemon=True)
                back.start()
                try:
                    self._forward(head, near, far)
                finally:
                    self._hang_up(near, far)
                    back.join()
                    self._open -= {near, far}

    def _forward(self, data, near, far):
        while data:
            if self.swallows and data.startswith(self.swallows):
                self.swallows = None
                self._swallow(data)
                return
            self._hears.wait()
            far.sendall(data)
            data = near.recv(65536)

    def _swallow(self, data):
        with socket.create_connection(("127.0.0.1", self.server.port)) as unheard:
            unheard.sendall(data)
            unheard.settimeout(20)
            assert unheard.recv(65536)
            self.swallowed += 1

    def _pass_on(self, source, target):
        with suppress(OSError):
            while data := source.recv(65536):
                self._hears.wait()
                target.sendall(data)
        self._hang_up(source, target)

    def _hang_up(self, *socks):
        for sock in socks:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
