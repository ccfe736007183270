"""Which addresses a process answers, when `PARLEY_ROLE` gives it a part of the work only."""

import json

ALWAYS = ("/healthz", "/readyz", "/metrics")  # every process can be asked how it is
REALTIME = ("/socket.io/", "/api/v1/events")


def role_for(path):
    """The role that answers `path`; None when every process does."""
    if path in ALWAYS:
        return None
    return "realtime" if path.startswith(REALTIME) else "web"


class OnlyRoles:
    """WSGI middleware: what belongs to another role is not here. The proxy in front knows where it is."""

    def __init__(self, app, roles):
        self.app, self.roles = app, roles

    def __call__(self, environ, start_response):
        role = role_for(environ.get("PATH_INFO", ""))
        if role is None or role in self.roles:
            return self.app(environ, start_response)
        message = f"This process does not serve {role}: its PARLEY_ROLE is {','.join(self.roles)}."
        body = json.dumps({"ok": False, "code": "not_found", "message": message}).encode()
        start_response(
            "404 Not Found",
            [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
            ],
        )
        return [body]
