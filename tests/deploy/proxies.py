"""nginx, HAProxy and Caddy, run on the files in deploy/ as they are, with other addresses."""

import getpass
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
import requests
from socketio.exceptions import ConnectionError

from tests.system.server import ROOT, Client, free_port, wait_until

DEPLOY = ROOT / "deploy"


class Proxy:
    """A proxy in front of `pages` and `live`, the ports of two processes each; it is at `url`, `plain` and `folder`.

    Skips the test that asks for it, by name, when the program is missing.
    """

    program = None

    def __init__(self, folder, port, pages, live=None):
        self.binary = shutil.which(self.program, path=os.environ.get("PATH", "") + ":/usr/sbin")
        if not self.binary:
            pytest.skip(f"{self.program} is missing")
        self.folder, self.port, self.plain_port = Path(folder), port, free_port()
        self.pages, self.live = list(pages), list(live or pages)
        self.url, self.plain = f"https://localhost:{self.port}", f"http://localhost:{self.plain_port}"
        self.folder.mkdir()

    def start(self):
        self.process = subprocess.Popen(
            self.command(),
            cwd=self.folder,
            env=os.environ | self.environ(),
            stdout=open(self.folder / "out", "wb"),  # noqa: SIM115 - the process keeps it
            stderr=subprocess.STDOUT,
        )
        wait_until(self.answers, seconds=30, what=lambda: f"{self.program} to answer: {self.log()[-2000:]}")
        return self

    def answers(self):
        assert self.process.poll() is None, self.log()[-4000:]
        try:
            return self.get("/healthz").ok
        except (requests.RequestException, OSError):
            return False

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)

    def log(self):
        """Everything it wrote."""
        return "".join(path.read_text() for path in (self.folder / "out", self.folder / "parley.log") if path.exists())

    def get(self, path, **options):
        return self.browser().get(self.url + path, timeout=10, **options)

    def browser(self):
        """A browser that trusts its certificate."""
        session = requests.Session()
        session.trust_env = False  # where the environment names other authorities, they would come first
        session.verify = str(self.authority)
        return session

    def dial(self):
        """A connection to it, encrypted, on which nothing has been said yet."""
        context = ssl.create_default_context(cafile=str(self.authority))
        return context.wrap_socket(socket.create_connection(("localhost", self.port), 10), server_hostname="localhost")

    def connect(self, server, username, monkeypatch):
        """A client of this person, whose session `server` makes, through the proxy.

        It reads in one thread and writes in another. Over TLS Python then takes, now and then, a connection for closed
        that is not (about one in a hundred here, seen at the client before anybody else ended it): so it tries again.
        """
        monkeypatch.setenv("WEBSOCKET_CLIENT_CA_BUNDLE", str(self.authority))
        for tries in range(3):
            try:
                return Client(Door(self, server), username)
            except ConnectionError as error:
                if tries == 2 or "Unexpected" not in str(error):
                    raise

    @property
    def authority(self):
        """The certificate that vouches for the proxy's."""
        return self.folder.parent / "certificate.pem"

    def environ(self):
        return {}


class Door:
    """A Server as seen through a proxy: what Client needs of one."""

    def __init__(self, proxy, server):
        self.url, self.cookie = proxy.url, server.cookie


class Nginx(Proxy):
    program = "nginx"

    def command(self):
        for path in (DEPLOY / "nginx").iterdir():
            shutil.copy(path, self.folder)
        own = " ".join(f"{kind}_temp_path {self.folder / kind};" for kind in TEMPORARY)
        self.write(
            "nginx.conf", {"include parley.conf;": f"{own} include parley.conf;", "/var/log/nginx/error.log": "stderr"}
        )
        self.write(
            "parley.conf",
            {
                "chat.example.org;": "localhost;",
                "/etc/letsencrypt/live/chat.example.org/fullchain.pem": str(self.authority),
                "/etc/letsencrypt/live/chat.example.org/privkey.pem": str(self.authority.with_name("key.pem")),
                "/var/log/nginx": str(self.folder),
                "listen 80": f"listen {self.plain_port}",
                "listen 443": f"listen {self.port}",
            },
        )
        path = self.folder / "parley.conf"
        pages, live = path.read_text().split("upstream parley_live")
        path.write_text(ported(pages, self.pages) + "upstream parley_live" + ported(live, self.live))
        pid = f"daemon off; pid {self.folder / 'pid'}; user {getpass.getuser()};"  # the test's folders are its own
        return [self.binary, "-e", "stderr", "-c", self.folder / "nginx.conf", "-g", pid]

    def write(self, name, changes):
        """Change a copy. What is to be changed must be in it: the file says so to its readers."""
        text = (self.folder / name).read_text()
        for old, new in changes.items():
            assert old in text, f"{name} no longer has {old}"
            text = text.replace(old, new)
        (self.folder / name).write_text(text)


TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def ported(text, ports):
    """`text` with the two addresses of Parley replaced; where there is one process, its second line goes."""
    assert text.count("127.0.0.1:5001") == text.count("127.0.0.1:5002") == 1
    text = text.replace("127.0.0.1:5001", f"127.0.0.1:{ports[0]}")
    if len(ports) == 1:
        return re.sub(r"\n.*127\.0\.0\.1:5002.*", "", text)
    return text.replace("127.0.0.1:5002", f"127.0.0.1:{ports[1]}")


class HAProxy(Proxy):
    program = "haproxy"

    def command(self):
        return [self.binary, "-db", "-f", DEPLOY / "haproxy.cfg"]

    def environ(self):
        both = self.folder / "both.pem"
        both.write_text(self.authority.read_text() + self.authority.with_name("key.pem").read_text())
        return {
            "PARLEY_HTTP": f":{self.plain_port}",
            "PARLEY_HTTPS": f":{self.port}",
            "PARLEY_CERTIFICATE": str(both),
            "PARLEY_A": f"127.0.0.1:{self.pages[0]}",
            "PARLEY_B": f"127.0.0.1:{self.pages[-1]}",
            "PARLEY_LIVE_A": f"127.0.0.1:{self.live[0]}",
            "PARLEY_LIVE_B": f"127.0.0.1:{self.live[-1]}",
        }


class Caddy(Proxy):
    program = "caddy"

    def command(self):
        return [self.binary, "run", "--config", DEPLOY / "Caddyfile"]

    def environ(self):
        return {
            "XDG_DATA_HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder),
            "PARLEY_HTTP_PORT": str(self.plain_port),
            "PARLEY_HOST": "localhost",
            "PARLEY_SITE": f"localhost:{self.port}",
            "PARLEY": " ".join(f"127.0.0.1:{port}" for port in self.pages),
            "PARLEY_LIVE": " ".join(f"127.0.0.1:{port}" for port in self.live),
        }

    @property
    def authority(self):
        return self.folder / "caddy/pki/authorities/local/root.crt"


def make_certificate(folder):
    """certificate.pem and key.pem for localhost, in `folder`."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", folder / "key.pem", "-out", folder / "certificate.pem", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True,
        capture_output=True,
    )  # fmt: skip
