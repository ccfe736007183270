"""Asking an identity provider, from this side of the wire: bounded in time and size, off the event loop.

The address comes from the settings, or from a document whose issuer was checked. Redirects are not followed, cookies
not kept, proxies of the environment not used: each would be a second address that nobody configured.
"""

import io
import json
import ssl
import time
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from chat.core.blocking import Bounded, Full

SECONDS = 5.0  # for one request, from the name to the last byte
MOST_BYTES = 256 * 1024  # of one answer, its head included

_asking = Bounded(running=2, waiting=20)


class ProviderTrouble(Exception):
    """The provider did not answer, or not with what it has to. `str()` is for the log, not for people."""


class Answer(NamedTuple):
    """What came back. Also what Authlib takes for a response of `requests`."""

    status_code: int
    body: bytes

    def json(self):
        return json.loads(self.body)

    def raise_for_status(self):
        if self.status_code != 200:
            raise ProviderTrouble(f"answered {self.status_code}")


class Wire:
    """What Authlib sends its requests through."""

    def post(self, url, *, data, headers, auth):
        url, headers, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return fetch(url, method="POST", headers=headers, body=body)


def fetch_json(url, *, headers=None):
    """The JSON at an address: an object or a list. Raises ProviderTrouble for anything else."""
    answer = fetch(url, headers=headers)
    answer.raise_for_status()
    try:
        found = answer.json()
    except ValueError as error:
        raise ProviderTrouble(f"{url} is no JSON") from error
    if not isinstance(found, dict | list):
        raise ProviderTrouble(f"{url} is neither an object nor a list")
    return found


def fetch(url, *, method="GET", headers=None, body=None):
    """The Answer, whatever its status, within `SECONDS`. Waits off the event loop. Raises ProviderTrouble."""
    sent = {"Accept": "application/json", "User-Agent": "Parley", "Connection": "close", **(headers or {})}
    try:
        return _asking.run(_fetch, url, method, sent, body, SECONDS, MOST_BYTES)
    except Full:
        raise ProviderTrouble(f"too many wait for {urlsplit(url).hostname} already") from None


# What runs in a native thread.


def _fetch(url, method, headers, body, seconds, most):
    parts, deadline = urlsplit(url), time.monotonic() + seconds
    path = parts.path or "/"
    if parts.scheme == "https":
        connection = HTTPSConnection(parts.hostname, parts.port, timeout=seconds, context=_tls())
    else:
        connection = HTTPConnection(parts.hostname, parts.port, timeout=seconds)
    try:
        connection.request(method, f"{path}?{parts.query}" if parts.query else path, body=body, headers=headers)
        response = HTTPResponse(_Bounded(connection.sock, deadline, most), method=method)
        response.begin()
        return Answer(response.status, response.read())
    except (OSError, HTTPException, ValueError) as error:
        raise ProviderTrouble(f"{parts.hostname}: {type(error).__name__}: {error}") from None
    finally:
        connection.close()


@cache
def _tls():
    """The certificates of the system; reading them takes some milliseconds."""
    return ssl.create_default_context()


class _Bounded(io.RawIOBase):
    """The receiving side of a socket, until a moment and up to a size. A timeout of the socket's own begins anew with
    every byte, so that a slow sender would hold the thread for as long as it likes."""

    def __init__(self, sock, deadline, most):
        self.sock, self.deadline, self.left = sock, deadline, most

    def makefile(self, _mode):
        return io.BufferedReader(self)

    def readable(self):
        return True

    def readinto(self, buffer):
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the answer took too long")
        self.sock.settimeout(seconds)
        count = self.sock.recv_into(buffer)
        self.left -= count
        if self.left < 0:
            raise ValueError("the answer is too large")
        return count
