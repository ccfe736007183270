"""The other side of tests about identity providers: a real one, and how somebody goes there and back."""

import html
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryFile
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import pytest
import requests

from tests.conftest import FIGURES
from tests.system.ports import free_port
from tests.system.server import wait_until

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[3]
SECRET = "a secret for tests"
GRACE = {"sub": "grace-1", "email": "grace@example.org", "email_verified": True, "name": "Grace Hopper",
         "preferred_username": "grace"}  # fmt: skip
ALICE = {**GRACE, "sub": "alice-1", "email": "alice@example.org", "name": "Alice", "preferred_username": "alice"}


class Provider:
    """oidc-provider in a process of its own. `be(…)` says what it is to be like: see provider.mjs."""

    def __init__(self, *redirect_uris, port=None):
        if shutil.which("node") is None or not (ROOT / "node_modules/oidc-provider").exists():
            pytest.skip("oidc-provider is not installed; install it with: apt-get install nodejs npm && npm ci")
        self.port = port or free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        command = ["node", "--no-warnings", str(HERE / "provider.mjs"), str(self.port), *redirect_uris]
        self.said = TemporaryFile("w+")  # noqa: SIM115 - open as long as the process
        self._start(command)

    def _start(self, command, tries=2):
        """Twice if need be: once in hundreds of runs nothing was heard of it for an hour, and nobody knows why."""
        self.process = subprocess.Popen(command, stdout=self.said, stderr=self.said)
        try:
            wait_until(self._answers, seconds=60, what=self._words)
        except AssertionError as silence:
            self.process.kill()
            self.process.wait(10)
            if tries == 1:
                raise
            FIGURES.append(f"A provider was started again, since {silence}")
            self._start(command, tries - 1)

    def _answers(self):
        assert self.process.poll() is None, self._words()
        try:
            return self.asked() == []
        except requests.RequestException:
            return False

    def _words(self):
        self.said.seek(0)
        return f"the provider at {self.port} (ended: {self.process.poll()}) said: {self.said.read()}"

    def be(self, person=GRACE, **how):
        requests.post(f"{self.issuer}/control", json={"person": person, **how}, timeout=5)

    def asked(self):
        """What it was asked since the last time, as paths."""
        return requests.get(f"{self.issuer}/control", timeout=5).json()

    def close(self):
        self.process.kill()
        self.process.wait(10)
        self.said.close()


def where_to(page):
    """Where the page on the way there goes on to."""
    [url] = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', page.text)
    return html.unescape(url)


def there_and_back(url, home):
    """Follow a browser through the provider, up to the address of ours that it is sent back to."""
    with requests.Session() as browser:
        for _ in range(10):
            answer = browser.get(url, allow_redirects=False, timeout=10)
            assert answer.status_code in (302, 303), answer.text
            url = urljoin(url, answer.headers["Location"])
            if url.startswith(home):
                return url
    raise AssertionError(f"still at {url}")


def with_query(url, **changed):
    """The same address with other parameters; None takes one away."""
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **changed}
    return parts._replace(query=urlencode({k: v for k, v in query.items() if v is not None})).geturl()


def query_of(url):
    return dict(parse_qsl(urlsplit(url).query))
