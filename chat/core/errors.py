"""The refusals an action may raise. Each has a code for programs, a status for HTTP and a sentence for people."""


class ChatError(Exception):
    """A refusal. `message` says what happened and what to do; `field` names the input at fault, when one is."""

    code, status = "error", 500

    def __init__(self, message, *, field=None, retry_after=None):
        super().__init__(message)
        self.message, self.field, self.retry_after = message, field, retry_after

    def to_json(self):
        """The wire shape: {ok: false, code, message, field?, retry_after?}."""
        body = {"ok": False, "code": self.code, "message": self.message}
        if self.field:
            body["field"] = self.field
        if self.retry_after is not None:
            body["retry_after"] = self.retry_after
        return body


class Unauthorized(ChatError):
    """Nobody is signed in, or the session has ended."""

    code, status = "unauthorized", 401

    def __init__(self, message="Your session has ended. Sign in again."):
        super().__init__(message)


class Forbidden(ChatError):
    """The person may see the thing but not do this to it. `back`: (path, words) of where a page that says so leads."""

    code, status, back = "forbidden", 403, None


class NotFound(ChatError):
    """No such thing, or none that this person may know of: the sentence is the same."""

    code, status = "not_found", 404

    def __init__(self, message="There is nothing here by that name, or you may not see it.", **more):
        super().__init__(message, **more)


class Invalid(ChatError):
    """The input cannot be used."""

    code, status = "invalid", 422


class Conflict(ChatError):
    """It clashes with what is stored. `current` is the thing as it is now, in its wire shape, when that helps."""

    code, status = "conflict", 409

    def __init__(self, message, *, current=None, **more):
        super().__init__(message, **more)
        self.current = current

    def to_json(self):
        body = super().to_json()
        return body if self.current is None else {**body, "current": self.current}


class TooLarge(ChatError):
    code, status = "too_large", 413


class RateLimited(ChatError):
    """Too much in a short time. `retry_after` says in how many seconds it will be accepted."""

    code, status = "rate_limited", 429


class Busy(ChatError):
    """Nothing was decided; the same request may succeed in a moment."""

    code, status = "busy", 503

    def __init__(self, message="The server is busy. Try again in a moment.", *, retry_after=1):
        super().__init__(message, retry_after=retry_after)
