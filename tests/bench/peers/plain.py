"""Flask-SocketIO as its documentation shows it, on eventlet: rooms, relaying what it is sent.

Knows nobody, stores nothing. PORT; PAD: bytes of padding, so that its frames are as large as Parley's; REDIS: address,
for several processes.
"""

import eventlet

eventlet.monkey_patch()

import os  # noqa: E402
import time  # noqa: E402

from flask import Flask  # noqa: E402
from flask_socketio import SocketIO, emit, join_room  # noqa: E402

app = Flask(__name__)
socketio = SocketIO(app, async_mode="eventlet", message_queue=os.environ.get("REDIS"))
html = "x" * int(os.environ.get("PAD", 0))
posted = 0


@socketio.on("join")
def join(form):
    join_room(form["room"])
    return {"ok": True}


@socketio.on("message")
def message(form):
    global posted
    posted += 1
    said = {"id": posted, "room": form["room"], "key": form["key"], "text": form["text"], "created_at": time.time()}
    frame = {"stream": f"room:{form['room']}", "seq": posted, "message": said, "html": html}
    emit("message", frame, to=form["room"])
    return {"ok": True, "message": {"id": posted, "room": form["room"], "key": form["key"]}}


socketio.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_output=False, max_size=50_000)  # connections
