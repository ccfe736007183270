"""Requests exactly as they are written, with nothing put right on the way: what browsers would not send."""

import socket
from http.client import HTTPResponse


class Raw:
    """A connection to a server that is kept, and made anew when the server ends it. Paths go out as they are."""

    def __init__(self, port, *, source=None):
        self.port, self.source, self.socket = port, source, None

    def ask(self, method, path, headers=(), body=b""):
        """(status, headers, body) of the answer. `headers` are (name, value) pairs, sent in their order."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: localhost:{self.port}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if method != "GET":
            lines.append(f"Content-Length: {len(body)}")
        packet = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass") + body
        for fresh in (False, True):  # a kept connection may have been ended meanwhile
            try:
                return self._exchange(method, packet)
            except OSError:
                self.close()
                if fresh:
                    raise

    def _exchange(self, method, packet):
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), 30, self.source and (self.source, 0))
        self.socket.sendall(packet)
        response = HTTPResponse(self.socket, method=method)
        response.begin()
        body = b"" if response.status == 101 or _is_stream(response) else response.read()
        if response.will_close or response.status == 101 or _is_stream(response):
            self.close()
        return response.status, response.headers, body

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def _is_stream(response):
    """An event stream has no end to wait for."""
    return response.headers.get_content_type() == "text/event-stream"
