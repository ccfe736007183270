"""The log: gunicorn's and ours in one form, without what must not be read there, and without what strangers could fill
a disk with."""

import logging
import sys
import time

from gunicorn.glogging import Logger

from chat.core.scrub import in_one_line, scrub

NONSENSE = "Invalid request from ip="  # how gunicorn's warnings about requests that are no HTTP begin
NONSENSE_SECONDS = 10  # between two of them


class Scrubbed(logging.Formatter):
    """A line of the log, in UTC. A message is one line whatever is in it; only a traceback has more."""

    converter = time.gmtime
    default_time_format, default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03dZ"

    def formatMessage(self, record):
        record.message = in_one_line(record.message)
        return super().formatMessage(record)

    def format(self, record):
        return scrub(super().format(record))


class AccessLogger(Logger):
    """gunicorn's own, and where our own loggers write, too: LOG_LEVEL is for both."""

    error_fmt = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
    access_fmt = "%(asctime)s [%(process)d] %(message)s"
    ours_fmt = "%(asctime)s [%(process)d] [%(levelname)s] %(name)s: %(message)s"
    _quiet_until = _unsaid = 0

    def setup(self, cfg):
        super().setup(cfg)
        for logger, form in ((self.error_log, self.error_fmt), (self.access_log, self.access_fmt)):
            for handler in logger.handlers:
                handler.setFormatter(Scrubbed(form))
        root = logging.getLogger()  # libraries say what is wrong there; with more they would name values of queries
        for handler in [handler for handler in root.handlers if isinstance(handler.formatter, Scrubbed)]:
            root.removeHandler(handler)
        ours = logging.StreamHandler(sys.stderr)
        ours.setFormatter(Scrubbed(self.ours_fmt))
        root.addHandler(ours)
        logging.getLogger("chat").setLevel(self.loglevel)

    def warning(self, msg, *args, **kwargs):
        """A client may send nonsense as fast as it likes: of that, one line in ten seconds says how much there was."""
        if str(msg).startswith(NONSENSE):
            now = time.monotonic()
            if now < self._quiet_until:
                self._unsaid += 1
                return
            if self._unsaid:
                msg = f"{msg} (and {self._unsaid} more like it)"
            self._quiet_until, self._unsaid = now + NONSENSE_SECONDS, 0
        super().warning(msg, *args, **kwargs)
