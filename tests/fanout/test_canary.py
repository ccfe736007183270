"""The fast path stands in for parts of libraries and leans on others. When a new version changes one, this fails.

What to do then: read the difference of the library, then chat/fanout/README.md ("What it replaces") and the file named
here; change what has to change; renew the sum with `python -m tests.fanout.test_canary`.
"""

import hashlib
import inspect

import engineio.base_server
import engineio.base_socket
import eventlet.hubs.epolls
import eventlet.hubs.hub
import eventlet.hubs.poll
import flask_socketio
import pytest
import socketio
from gunicorn.http import body, parser, unreader, wsgi
from gunicorn.workers import base, base_async, ggevent
from socketio import base_manager
from socketio import base_server as socketio_base

from tests.system.server import ROOT

ENGINE, TRANSPORT, MANAGER, LIVE = (f"chat/{name}.py" for name in (
    "fanout/engine", "fanout/transport", "fanout/rooms", "realtime/live"
))  # fmt: skip
LOOPS, STOP, WORKER, GEVENT, HUB = (f"chat/{name}.py" for name in (
    "fanout/loops", "server/ordered_stop", "server/worker", "server/gevent_worker", "server/hub"
))  # fmt: skip

WATCHED = [
    (ENGINE, engineio.Server),
    (ENGINE, engineio.base_server.BaseServer),
    (TRANSPORT, engineio.socket.Socket),
    (TRANSPORT, engineio.base_socket.BaseSocket),
    (ENGINE, engineio.packet.Packet),
    (ENGINE, socketio_base.BaseServer.__init__),
    (ENGINE, socketio.Server._engineio_server_class),
    (ENGINE, socketio.Server._handle_connect),
    (ENGINE, socketio.Server._handle_disconnect),
    (ENGINE, socketio.Server._handle_event),
    (ENGINE, socketio.Server._handle_eio_connect),
    (ENGINE, socketio.Server._handle_eio_message),
    (ENGINE, socketio.Server._handle_eio_disconnect),
    (ENGINE, socketio.Server._trigger_event),
    (ENGINE, socketio.Server._send_packet),
    (ENGINE, socketio_base.BaseServer._get_event_handler),
    (ENGINE, socketio_base.BaseServer._get_namespace_handler),
    (ENGINE, socketio.packet.Packet),
    (MANAGER, socketio.Manager),
    (MANAGER, base_manager.BaseManager),
    (LIVE, flask_socketio.SocketIO.init_app),
    (LIVE, flask_socketio.SocketIO.on_namespace),
    (LIVE, flask_socketio.Namespace),
    (STOP, base.Worker.init_process),
    (STOP, base.Worker.handle_quit),
    (STOP, base.Worker.handle_error),
    (STOP, base_async.AsyncWorker.handle),
    (STOP, base_async.AsyncWorker.handle_request),
    (STOP, wsgi.create),
    (STOP, wsgi.Response),
    (STOP, parser.Parser),
    (STOP, unreader.SocketUnreader),
    (STOP, unreader.Unreader.take_buffered),
    (STOP, body.ChunkedReader),
    (STOP, body.LengthReader),
    (GEVENT, ggevent.GeventWorker),
    (WORKER, eventlet.greenio.GreenSocket),
    (LOOPS, eventlet.hubs.hub.BaseHub.add),
    (LOOPS, eventlet.hubs.hub.BaseHub.remove),
    (LOOPS, eventlet.hubs.hub.FdListener),
    (LOOPS, eventlet.hubs.hub.BaseHub.schedule_call_global),
    (HUB, eventlet.hubs.hub.BaseHub.run),
    (HUB, eventlet.hubs.hub.BaseHub.prepare_timers),
    (HUB, eventlet.hubs.hub.BaseHub.sleep_until),
    (LOOPS, eventlet.hubs.poll.Hub),
    (LOOPS, eventlet.hubs.epolls.Hub),
]  # fmt: skip


def name_of(thing):
    return f"{thing.__module__}.{thing.__qualname__}"


def sum_of(thing):
    return hashlib.sha256(inspect.getsource(thing).encode()).hexdigest()[:16]


SUMS = {
    "engineio.server.Server": "1cf0c6912bb1cc60",
    "engineio.base_server.BaseServer": "27e032583a2425bf",
    "engineio.socket.Socket": "275926e457711513",
    "engineio.base_socket.BaseSocket": "d787ee3666d08b7a",
    "engineio.packet.Packet": "a0d70ee4777b3af6",
    "socketio.base_server.BaseServer.__init__": "6b998e091b34a563",
    "socketio.server.Server._engineio_server_class": "8d7e7034b2457036",
    "socketio.server.Server._handle_connect": "1b0ba130a57d9320",
    "socketio.server.Server._handle_disconnect": "fb93d61de8cb8c31",
    "socketio.server.Server._handle_event": "3f64c030f25eb785",
    "socketio.server.Server._handle_eio_connect": "4be135c046ed6bcc",
    "socketio.server.Server._handle_eio_message": "65f309c138d634eb",
    "socketio.server.Server._handle_eio_disconnect": "5c0002fcdb35a127",
    "socketio.server.Server._trigger_event": "836cb0c8d232fd2d",
    "socketio.server.Server._send_packet": "3289b949be8cbb76",
    "socketio.base_server.BaseServer._get_event_handler": "e18d9a6570aaaaf4",
    "socketio.base_server.BaseServer._get_namespace_handler": "3672467a1c13f704",
    "socketio.packet.Packet": "e1660ba64e4e31fc",
    "socketio.manager.Manager": "cfeabf92435f1208",
    "socketio.base_manager.BaseManager": "b393b4c05dbd88e2",
    "flask_socketio.SocketIO.init_app": "12a3a6c8e8962c3e",
    "flask_socketio.SocketIO.on_namespace": "29d861ec8547adb3",
    "flask_socketio.namespace.Namespace": "cfb2a894a9f83508",
    "gunicorn.workers.base.Worker.init_process": "114caccd7a0e3c21",
    "gunicorn.workers.base.Worker.handle_quit": "2944b41327615dc6",
    "gunicorn.workers.base.Worker.handle_error": "75426448389bbac9",
    "gunicorn.workers.base_async.AsyncWorker.handle": "6eb3b127e6ba7e84",
    "gunicorn.workers.base_async.AsyncWorker.handle_request": "913e17a9542aa70d",
    "gunicorn.http.wsgi.create": "2c35d4a2dc629ede",
    "gunicorn.http.wsgi.Response": "d67f8e6b29d76622",
    "gunicorn.http.parser.Parser": "3a9c06e348c7e3b5",
    "gunicorn.http.unreader.SocketUnreader": "786a257be09ea8dd",
    "gunicorn.http.unreader.Unreader.take_buffered": "89cef5e60e6f09e1",
    "gunicorn.http.body.ChunkedReader": "c1aa79e0ae048701",
    "gunicorn.http.body.LengthReader": "3b01bc7c21a27066",
    "gunicorn.workers.ggevent.GeventWorker": "e8670f94f359d4bf",
    "eventlet.greenio.base.GreenSocket": "b4c6859ddc77aec9",
    "eventlet.hubs.hub.BaseHub.add": "5aa4447a94d42421",
    "eventlet.hubs.hub.BaseHub.remove": "7af6377b6ec97b9b",
    "eventlet.hubs.hub.FdListener": "8f695d78755c024c",
    "eventlet.hubs.hub.BaseHub.schedule_call_global": "b2a6d8872158d4a7",
    "eventlet.hubs.hub.BaseHub.run": "47bb7841f0bdd485",
    "eventlet.hubs.hub.BaseHub.prepare_timers": "1a366ea25fcc823b",
    "eventlet.hubs.hub.BaseHub.sleep_until": "615b89ec9a29e29d",
    "eventlet.hubs.poll.Hub": "95a3ee715c644a3c",
    "eventlet.hubs.epolls.Hub": "b66e07590dd91ff1",
}  # fmt: skip


@pytest.mark.parametrize(("file", "thing"), WATCHED, ids=[name_of(thing) for _, thing in WATCHED])
def test_what_the_fast_path_replaces_or_relies_on_is_as_it_was_read(file, thing):
    name = name_of(thing)
    assert SUMS.get(name) == sum_of(thing), (
        f"{name} has changed in {inspect.getsourcefile(thing)}. Read what changed, then {file} and what "
        f'chat/fanout/README.md promises; then renew the sum: "{name}": "{sum_of(thing)}"'
    )


@pytest.mark.parametrize("file", sorted({file for file, _ in WATCHED}))
def test_the_files_that_are_named_are_there(file):
    assert (ROOT / file).exists()


def test_no_sum_is_kept_of_what_nobody_watches():
    assert set(SUMS) == {name_of(thing) for _, thing in WATCHED}


if __name__ == "__main__":
    for _, watched in WATCHED:
        print(f'    "{name_of(watched)}": "{sum_of(watched)}",')
