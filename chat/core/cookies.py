"""What a browser sends as cookies, before anybody looks into them."""


def readable(cookie_header):
    """A Cookie header as WSGI has it, or "" when its bytes are no UTF-8: werkzeug would raise at the first look."""
    try:
        (cookie_header or "").encode("latin-1").decode()
    except UnicodeError:
        return ""
    return cookie_header or ""


class ReadableCookies:
    """WSGI middleware: cookies that nobody can read are none. No browser sends them."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        if "HTTP_COOKIE" in environ:
            environ["HTTP_COOKIE"] = readable(environ["HTTP_COOKIE"])
        return self.app(environ, start_response)
