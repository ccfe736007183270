"""The security headers of every answer."""

from urllib.parse import urlsplit

from flask import current_app, request

PERMISSIONS = "accelerometer=(), camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()"
NO_DOCUMENT = "default-src 'none'; frame-ancestors 'none'"  # of a file that no page consists of
YEAR_SECONDS = 31_536_000


def init_app(app):
    app.after_request(add_security_headers)


def content_security_policy():
    """Nothing inline except the import map, which browsers take only inline: it is named by its hash."""
    from chat.core.assets import import_map_hash

    settings = current_app.config["PARLEY"]
    hosts = sorted(urlsplit(origin).netloc for origin in settings.origins)
    sockets = " ".join(f"{'wss' if settings.secure else 'ws'}://{host}" for host in hosts)
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' '{import_map_hash()}'",
            "style-src 'self'",
            "img-src 'self' blob:",
            "font-src 'self'",
            f"connect-src 'self' {sockets}",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "object-src 'none'",
        ]
    )


def add_security_headers(response):
    headers, settings = response.headers, current_app.config["PARLEY"]
    if settings.secure:
        subdomains = "; includeSubDomains" if settings.hsts_subdomains else ""
        headers["Strict-Transport-Security"] = f"max-age={YEAR_SECONDS}{subdomains}"
    # Files bring their own policy, and there are many of them. What says that there is none is a page like others.
    if request.blueprint == "static" and "Content-Security-Policy" in headers:
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response
    if "Content-Security-Policy" not in headers:
        headers["Content-Security-Policy"] = content_security_policy()
    headers.setdefault("Cache-Control", "no-store")
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "same-origin"
    headers["Permissions-Policy"] = PERMISSIONS
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if settings.secure:
        headers["Cross-Origin-Opener-Policy"] = "same-origin"  # browsers refuse it, loudly, on plain http
    return response
