"""The API does what its document says: requests that schemathesis makes up from it find nothing."""

import os
import subprocess
import sys

from chat.accounts.actions import make_token
from tests.factories import person
from tests.length import of
from tests.system.server import ROOT

EXAMPLES = of(5, 25)  # for each address and phase; when long some 900 requests in all


def test_requests_that_are_made_up_from_the_document_find_nothing(own_server, tmp_path):
    """With all its checks, in all its phases: one request at a time, and chains of them."""
    scopes = ["read", "write"]
    token = own_server.act(lambda: make_token(person("alice"), "made up", scopes=scopes, days=1)[0])
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{own_server.url}/api/docs/openapi.json", "--checks", "all",
        "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(EXAMPLES), "--seed", "1",
        "-H", f"Authorization: Bearer {token}", "--no-color",
    ]  # fmt: skip
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.api.made_up", "PYTHONPATH": str(ROOT)}

    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=500, check=False)

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "16 selected / 16 total" in done.stdout
    assert "Unexpected fault" not in own_server.log()
