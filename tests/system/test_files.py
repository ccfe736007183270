"""Files as a real server sends them: whole, in each async mode."""

import os
import shutil
import zipfile
from io import BytesIO

import pytest
import requests
from PIL import Image

from chat.accounts.actions.profile import set_avatar
from chat.accounts.avatars import KIND
from chat.core import storage
from chat.core.db import db
from chat.core.errors import NotFound
from chat.transfer.exports import request_export
from chat.transfer.queries import export_for
from tests.factories import person
from tests.system.server import Server, wait_until


@pytest.fixture(params=["eventlet", "gevent"])
def server(request, founded, tmp_path):
    shutil.copytree(founded, tmp_path / "data")
    server = Server(tmp_path / "data", ASYNC_MODE=request.param).start()
    yield server
    server.close()


def alice():
    return person("alice")


def is_ready(user, id):
    try:
        return export_for(user, id).ready_at
    except NotFound:
        return None
    finally:
        db.session.rollback()


def fetch(server, path, **headers):
    return requests.get(f"{server.url}{path}", headers={"Cookie": server.cookie("alice"), **headers}, timeout=10)


def test_a_picture_comes_whole(server):
    out = BytesIO()
    Image.frombytes("RGB", (300, 300), os.urandom(270_000)).save(out, "PNG")  # what no format makes small
    server.act(set_avatar, alice, out.getvalue())
    path = server.act(lambda user: user.avatar_path, alice)
    stored = server.act(lambda: storage.path_of(KIND, path.rpartition("/")[2]).read_bytes())

    answer = fetch(server, path)

    assert answer.status_code == 200
    assert answer.content == stored
    part = fetch(server, path, Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, stored[10:20])


def test_a_copy_of_ones_data_comes_whole(server):
    id = server.act(request_export, alice, alice).id
    wait_until(lambda: server.act(is_ready, alice, id), what=server.log)

    answer = fetch(server, f"/settings/data/exports/{id}")

    assert answer.status_code == 200, answer.url
    assert zipfile.ZipFile(BytesIO(answer.content)).testzip() is None
