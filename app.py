"""What gunicorn, `flask --app app` and `python app.py` load."""

import gc

from chat.server import async_mode

if __name__ == "__main__":
    async_mode.patch()  # before anything else is imported; under gunicorn the worker has done it

from chat import create_app, serve

gc.disable()  # nothing that is loaded is garbage, and looking for it takes a third of the time
app = create_app()

if async_mode.running():
    serve(app)
gc.enable()

if __name__ == "__main__":
    settings = app.config["PARLEY"]
    app.extensions["live"].socketio.run(app, host=settings.host, port=settings.port)
