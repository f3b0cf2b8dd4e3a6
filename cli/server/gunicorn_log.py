"""Sends gunicorn's own log lines where all other lines go."""

import logging


def gunicorn_logger(level: str) -> type:
    """Return a class for gunicorn's ``logger_class`` that leaves its lines to the root logger."""
    from gunicorn.glogging import Logger

    class RootLogger(Logger):  # type: ignore[misc]
        """Logs gunicorn's lines about workers at debug level only; its warnings and errors are always logged."""

        def setup(self, cfg: object) -> None:
            """Set no handlers: gunicorn's own would print each line a second time in another form."""
            self.cfg = cfg
            self.error_log.setLevel(logging.WARNING if level == "info" else level.upper())
            self.error_log.propagate = True

    return RootLogger
