"""A stub of GitHub, no GitHub: the four addresses that our preset uses, as GitHub documents them.

It checks what a real one would: the client's secret, the code once, PKCE. What it cannot show is that GitHub still does
what its documentation says.
"""

import base64
import hashlib
import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

CLIENT, SECRET = "parley", "a secret for tests"


class GitHubStub:
    def __init__(self):
        self.user = {"id": 583231, "login": "octocat", "name": "Mona Octocat"}
        self.emails = [{"email": "mona@example.org", "primary": True, "verified": True}]
        self.codes, self.tokens = {}, set()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                stub.get(self)

            def do_POST(self):
                stub.post(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def get(self, request):
        path, query = urlsplit(request.path).path, dict(parse_qsl(urlsplit(request.path).query))
        if path == "/login/oauth/authorize":
            code = secrets.token_hex(10)
            self.codes[code] = query
            back = urlencode({"code": code, "state": query["state"]})
            request.send_response(302)
            request.send_header("Location", f"{query['redirect_uri']}?{back}")
            request.end_headers()
        elif request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            self.answer(request, {"message": "Bad credentials"}, 401)
        else:
            self.answer(request, {"/api/v3/user": self.user, "/api/v3/user/emails": self.emails}[path])

    def post(self, request):
        form = dict(parse_qsl(request.rfile.read(int(request.headers["Content-Length"])).decode()))
        asked = self.codes.pop(form.get("code"), None)
        digest = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        right = asked and digest.decode().rstrip("=") == asked["code_challenge"]
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            self.answer(request, {"error": "incorrect_client_credentials"})  # GitHub says so with 200
        elif not right or form.get("redirect_uri") != asked["redirect_uri"]:
            self.answer(request, {"error": "bad_verification_code", "error_description": "incorrect or expired"})
        else:
            token = secrets.token_hex(20)
            self.tokens.add(token)
            self.answer(request, {"access_token": token, "token_type": "bearer", "scope": asked["scope"]})

    def answer(self, request, value, status=200):
        body = json.dumps(value).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
