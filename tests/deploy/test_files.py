"""What cannot be run here is read: by linters, by the schemas of Kubernetes, and against the settings there are."""

import re
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

import config
from tests.system.server import ROOT, free_port, wait_until

TOOLS = Path(sys.executable).parent
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
KUBERNETES = ROOT / "deploy/kubernetes"
UNIT = (ROOT / "deploy/parley.service").read_text()
SETTINGS = {f.metadata["env"] for f in fields(config.Settings)}
GRACEFUL_SECONDS = 15  # the default of GRACEFUL_TIMEOUT; a test below holds it
STYLE = (
    "{extends: default, rules: {line-length: {max: 120}, document-start: disable, "
    "comments: {min-spaces-from-content: 1}}}"
)


def run(*command, **options):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def settings(tmp_path, environ):
    return config.load({"DATA_DIR": str(tmp_path), **environ})


def test_the_dockerfile_has_no_findings():
    assert run(TOOLS / "hadolint", "Dockerfile") == ""


@pytest.mark.parametrize("path", ["compose.yaml", "deploy/kubernetes"])
def test_yaml_is_tidy(path):
    assert run(TOOLS / "yamllint", "--strict", "--config-data", STYLE, path) == ""


def test_the_grace_that_others_add_to_is_still_the_default(tmp_path):
    assert settings(tmp_path, {}).graceful_timeout_seconds == GRACEFUL_SECONDS


class TestCompose:
    def test_one_service_by_default_and_five_more_for_scale(self):
        assert [name for name, service in SERVICES.items() if not service.get("profiles")] == ["parley"]
        scaled = {name for name, service in SERVICES.items() if service.get("profiles") == ["scale"]}
        assert scaled == {"parley-a", "parley-b", "nginx", "postgres", "redis"}

    def test_starting_nginx_starts_what_it_needs_and_not_the_single_process(self):
        needed, found = ["nginx"], set()
        while needed:
            name = needed.pop()
            found.add(name)
            needed += SERVICES[name].get("depends_on", {})
        assert found == set(SERVICES) - {"parley"}

    def test_settings_are_settings_and_have_usable_values(self, tmp_path):
        for name in ("parley", "parley-a", "parley-b"):
            environ = {key: defaulted(value) for key, value in SERVICES[name]["environment"].items()}
            assert set(environ) <= SETTINGS, name
            loaded = settings(tmp_path, environ)
            assert loaded.trusted_proxies == (0 if name == "parley" else 1)
            assert loaded.database_url.startswith("sqlite" if name == "parley" else "postgresql+psycopg://")
            assert bool(loaded.message_queue_url) == (name != "parley")

    def test_no_password_comes_with_it(self):
        values = {name: str(v) for s in SERVICES.values() for name, v in (s.get("environment") or {}).items()}

        assert values["POSTGRES_PASSWORD"] == "${POSTGRES_PASSWORD:-}"
        assert "parley:${POSTGRES_PASSWORD:-}@" in values["DATABASE_URL"]
        assert not [name for name, v in values.items() if re.search("PASSWORD|TOKEN|SECRET", name) and defaulted(v)]

    def test_everything_stops_in_peace_has_few_rights_and_is_reached_from_this_machine_only(self):
        for name, service in SERVICES.items():
            assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
            if name.startswith("parley"):
                assert seconds(service["stop_grace_period"]) > GRACEFUL_SECONDS + 1
                assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
                assert service["volumes"] == ["data:/data"]

    def test_the_files_it_mounts_are_there(self):
        mounts = [v.split(":") for service in SERVICES.values() for v in service.get("volumes", [])]
        files = [source for source, *_ in mounts if source.startswith("./")]
        assert len(files) == 3 and all((ROOT / path).is_file() for path in files)
        assert {source for source, *_ in mounts} - set(files) == set(COMPOSE["volumes"])

    @pytest.mark.services
    def test_nginx_takes_its_file(self, tmp_path):
        nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin") or pytest.skip("nginx is missing")
        shutil.copytree(ROOT / "deploy/nginx", tmp_path / "nginx")
        path = tmp_path / "nginx/compose.conf"
        workers = re.findall(r"server ([\w-]+):5000", path.read_text())
        assert set(workers) == {"parley-a", "parley-b"} <= set(SERVICES)
        path.write_text(path.read_text().replace("parley-a:", "127.0.0.1:").replace("parley-b:5000", "127.0.0.1:5001"))

        run(nginx, "-t", "-q", "-c", str(path), "-g", f"pid {tmp_path / 'pid'};", "-e", "stderr")


def defaulted(value):
    """A value of compose.yaml where the environment says nothing."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def seconds(text):
    return int(text.removesuffix("s"))


@pytest.fixture(scope="module")
def things():
    """{kind: manifest}; each is there once."""
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    assert set(listed) == {path.name for path in KUBERNETES.iterdir()} - {"kustomization.yaml"}
    parts = [part for name in listed for part in yaml.safe_load_all((KUBERNETES / name).read_text())]
    assert len(parts) == 7
    return {part["kind"]: part for part in parts}


class TestKubernetes:
    @pytest.mark.parametrize("version", ["1.30", "1.37"])
    def test_each_is_what_its_schema_says(self, things, version):
        for thing in things.values():
            kubernetes_validate.validate(thing, version, strict=True)

    def test_settings_are_settings_those_for_several_too(self, things, tmp_path):
        several = dict(re.findall(r"# several: ([A-Z_]+): (\S+)", (KUBERNETES / "settings.yaml").read_text()))
        given = {**things["ConfigMap"]["data"], **things["Secret"]["stringData"], **several}
        assert set(given) <= SETTINGS and set(several) == {"DATABASE_URL", "MESSAGE_QUEUE_URL"}
        assert settings(tmp_path, given).secure

    def test_they_name_each_other(self, things):
        pod = things["Deployment"]["spec"]["template"]
        [container] = pod["spec"]["containers"]
        assert {part[kind]["name"] for part in container["envFrom"] for kind in part} == {
            things["ConfigMap"]["metadata"]["name"],
            things["Secret"]["metadata"]["name"],
        }
        assert things["Service"]["spec"]["selector"] == pod["metadata"]["labels"]
        [port] = things["Service"]["spec"]["ports"]
        assert port["targetPort"] == container["ports"][0]["name"]
        [rule] = things["Ingress"]["spec"]["rules"]
        backend = rule["http"]["paths"][0]["backend"]["service"]
        assert (backend["name"], backend["port"]["name"]) == (things["Service"]["metadata"]["name"], port["name"])
        assert things["ConfigMap"]["data"]["BASE_URL"] == f"https://{rule['host']}"
        claims = {
            v["persistentVolumeClaim"]["claimName"] for v in pod["spec"]["volumes"] if "persistentVolumeClaim" in v
        }
        assert claims == {things["PersistentVolumeClaim"]["metadata"]["name"]}

    def test_it_runs_as_the_image_does_and_is_asked_where_parley_answers(self, things, app):
        dockerfile = (ROOT / "Dockerfile").read_text()
        pod = things["Deployment"]["spec"]["template"]["spec"]
        [container] = pod["containers"]
        user, port = re.search(r"USER (\d+)", dockerfile)[1], re.search(r"EXPOSE (\d+)", dockerfile)[1]
        assert (pod["securityContext"]["runAsUser"], container["ports"][0]["containerPort"]) == (int(user), int(port))
        assert "/data" in {mount["mountPath"] for mount in container["volumeMounts"]}
        addresses = {rule.rule for rule in app.url_map.iter_rules()}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["path"] in addresses
        pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
        assert pod["terminationGracePeriodSeconds"] > GRACEFUL_SECONDS + 1 + pause


def unit(name):
    """The value of a line of the systemd unit."""
    return re.search(rf"^{name}=(.*)$", UNIT, re.MULTILINE)[1]


class TestSystemd:
    def test_systemd_understands_every_line(self, tmp_path):
        analyze = shutil.which("systemd-analyze") or pytest.skip("systemd is missing")
        # It looks for the programs, too, and Parley is not installed where the unit says.
        path = tmp_path / "parley.service"
        path.write_text(UNIT.replace("/opt/parley/.venv/bin/python", "/bin/true"))

        assert run(analyze, "verify", "--man=no", str(path)).strip() == ""
        threshold = run(analyze, "security", "--offline=true", "--threshold=20", str(path))
        assert "Overall exposure level" in threshold

    def test_it_gives_a_stop_the_time_it_may_take(self):
        assert int(unit("TimeoutStopSec")) > GRACEFUL_SECONDS + 1

    @pytest.mark.slow
    def test_it_says_when_it_serves_reloads_without_closing_the_door_and_stops(self, tmp_path):
        """As systemd does: the command, a socket to say READY on, then HUP and TERM to the process it started."""
        told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        told.bind(str(tmp_path / "notify"))
        told.settimeout(60)
        port, data = free_port(), tmp_path / "data"
        command = unit("ExecStart").replace("/opt/parley/.venv/bin", str(TOOLS)).split()
        environ = {"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": str(tmp_path / "notify"), "PORT": str(port)}
        given = unit("Environment").replace("/var/lib/parley", str(data))
        environ |= dict(pair.split("=") for pair in given.split())
        with open(tmp_path / "log", "wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=log)
        try:
            assert b"READY=1" in told.recv(1000)
            wait_until(lambda: answers(port), seconds=60, what=(tmp_path / "log").read_text)
            assert re.fullmatch(r"/bin/kill -HUP \$MAINPID", unit("ExecReload"))
            [before] = children(process.pid)
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: open_door(port) and before not in children(process.pid), seconds=60)
            assert children(process.pid) and open_door(port)
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(int(unit("TimeoutStopSec")))
        assert code == 0
        assert "Traceback" not in (tmp_path / "log").read_text()
        assert (data / "parley.db").exists()


def answers(port):
    """Whether /healthz is answered."""
    with socket.socket() as connection:
        connection.settimeout(30)
        try:
            connection.connect(("127.0.0.1", port))
        except OSError:
            return False
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b" 200 " in connection.recv(1000)


def open_door(port):
    """True. Fails when /healthz is not answered this once."""
    assert answers(port)
    return True


def children(pid):
    return run("pgrep", "-P", str(pid)).split()


class TestProcfile:
    LINES = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())

    def test_release_makes_the_tables_and_web_serves_on_the_port_it_is_given(self, tmp_path):
        assert set(self.LINES) == {"release", "web"}
        port = free_port()
        environ = {
            "PATH": f"{TOOLS}:/usr/bin:/bin",
            "DATA_DIR": str(tmp_path),
            "PORT": str(port),
            "AUTO_MIGRATE": "off",
        }
        run("sh", "-c", self.LINES["release"], env=environ)
        assert (tmp_path / "parley.db").exists()

        with open(tmp_path / "log", "wb") as log:
            process = subprocess.Popen(
                ["sh", "-c", f"exec env {self.LINES['web']}"], cwd=ROOT, env=environ, stdout=log, stderr=log
            )
        try:
            wait_until(lambda: answers(port), seconds=60, what=(tmp_path / "log").read_text)
            assert f"0.0.0.0:{port}" in (tmp_path / "log").read_text()
        finally:
            process.terminate()
            assert process.wait(20) == 0
