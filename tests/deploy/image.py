"""What the Dockerfile does, done without a container: its steps one by one, in a folder, as a user without rights.

Absolute paths of the image (`/opt/venv`, `/parley`, `/data`) are below a folder for each stage. Everything runs as user
1000, from the first RUN on; there is no base image but the Python of this machine.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.system.server import ROOT

USER = 1000
PASSED_ON = (
    "PIP_",
    "SSL_CERT",
    "REQUESTS_CA",
    "CURL_CA",
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_",
)


def instructions(text):
    """[(name, rest)] of a Dockerfile, comments left out and continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


class Image:
    """`build()` carries out the Dockerfile. What it sets is then in `environ`, `command`, `health` and `folder`."""

    def __init__(self):
        self.top = Path(tempfile.mkdtemp(prefix="parley-image-"))
        self.user = USER if os.geteuid() == 0 else os.geteuid()
        self.own(self.top)
        self.stages, self.names, self.environ, self.where = [], {}, {}, "/"
        (self.top / "bin").mkdir()
        (self.top / "bin/python").symlink_to(self.python())

    def own(self, path):
        if os.geteuid() == 0:
            os.chown(path, self.user, self.user)

    def python(self):
        """A Python that this user may run and that makes virtual environments, as the base image has."""
        wanted = "import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))"
        for program in (sys._base_executable, "/usr/local/bin/python3", "/usr/bin/python3"):
            # Through a shell: setpriv itself still has the rights it is about to give up.
            asked = [*self.as_user(), "sh", "-c", 'exec "$0" -c "$1"', program, wanted]
            if subprocess.run(asked, capture_output=True, check=False).returncode == 0:
                return program
        pytest.skip("python3-venv is missing: user 1000 needs Python 3.11 to 3.13 with venv")

    def as_user(self):
        return (
            ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"] if os.geteuid() == 0 else []
        )

    @property
    def folder(self):
        """The root of the present stage."""
        return self.stages[-1]

    def inside(self, text, stage=None):
        """`text` with the image's absolute paths below the stage's folder."""
        return re.sub(r"(?<![\w./-])/(?=(opt|parley|data)\b)", f"{stage or self.folder}/", text)

    def build(self):
        for name, rest in instructions((ROOT / "Dockerfile").read_text()):
            getattr(self, f"do_{name.lower()}")(rest)
        return self

    def do_from(self, rest):
        image, _, name = rest.partition(" AS ")
        assert re.fullmatch(r"python:3\.1[123]-slim-\w+", image)
        self.stages.append(self.top / f"stage{len(self.stages)}")
        self.names[name], self.environ, self.where = self.folder, {}, "/"
        for folder in (self.folder, self.folder / "opt"):
            folder.mkdir()
            self.own(folder)

    def do_workdir(self, rest):
        self.where = self.inside(rest)
        Path(self.where).mkdir(exist_ok=True)
        self.own(self.where)

    def do_env(self, rest):
        for pair in shlex.split(rest):
            name, _, value = pair.partition("=")
            self.environ[name] = self.inside(value).replace("$PATH", self.path())

    def path(self):
        return f"{self.top / 'bin'}:/usr/local/bin:/usr/bin:/bin"

    def do_copy(self, rest):
        *sources, target = rest.split()
        if sources[0].startswith("--from="):
            stage, source = self.names[sources[0].removeprefix("--from=")], sources[1]
            shutil.copytree(self.inside(source, stage), self.inside(target), symlinks=True)
            self.own_all(self.inside(target))
            return
        for source in sources:
            to = Path(self.where) / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, to, ignore=shutil.ignore_patterns("__pycache__"))
                self.own_all(to)
            else:
                shutil.copy(ROOT / source, to)
                self.own(to / source)

    def own_all(self, path):
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{self.user}:{self.user}", path], check=True)

    def do_run(self, rest):
        command = self.inside(re.sub(r"--mount=\S+\s*", "", rest)).replace(str(USER), str(self.user))
        done = self.run(["sh", "-c", command])
        assert done.returncode == 0, f"RUN {command}\n{done.stdout}\n{done.stderr}"

    def run(self, command, **options):
        return subprocess.run(
            [*self.as_user(), *command],
            **self.process_options(),
            capture_output=True,
            text=True,
            check=False,
            **options,
        )

    def start(self, log, **environ):
        """CMD, as `docker run --env …` does."""
        options = self.process_options(**environ)
        return subprocess.Popen([*self.as_user(), *self.command], stdout=log, stderr=log, **options)

    def healthy(self, **environ):
        """What HEALTHCHECK says."""
        done = subprocess.run(
            [*self.as_user(), *self.health], **self.process_options(**environ), capture_output=True, check=False
        )
        return done.returncode == 0

    def process_options(self, **environ):
        outside = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
        cache = Path(tempfile.gettempdir()) / f"parley-pip-cache-{self.user}"  # kept from one run to the next
        if not cache.exists():
            cache.mkdir(mode=0o700)
            self.own(cache)
        base = {"PATH": self.path(), "HOME": str(self.top), "PIP_CACHE_DIR": str(cache)}
        return {"cwd": self.where, "env": outside | base | self.environ | environ}

    def do_user(self, rest):
        assert rest == f"{USER}:{USER}", "a number, so that Kubernetes can see that it is not root"
        # From here on the program's files are not its own to change, as in the image, where root has them.
        subprocess.run(["chmod", "-R", "a-w", self.where, self.inside("/opt/venv")], check=True)

    def do_volume(self, rest):
        assert Path(self.inside(rest)).is_dir()

    def do_expose(self, rest):
        assert rest == self.environ["PORT"]

    def do_healthcheck(self, rest):
        self.health = json.loads(rest.partition("CMD ")[2])

    def do_cmd(self, rest):
        self.command = json.loads(rest)

    def remove(self):
        subprocess.run(["chmod", "-R", "u+w", self.top], check=True)
        shutil.rmtree(self.top)
