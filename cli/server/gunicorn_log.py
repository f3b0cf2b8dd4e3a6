"""gunicorn's own lines, which go where all others go."""

import logging


def gunicorn_logger(level: str) -> type:
    """Return a class for gunicorn's ``logger_class`` that leaves its lines to the root logger."""
    from gunicorn.glogging import Logger

    class RootLogger(Logger):  # type: ignore[misc]
        """gunicorn's chatter about workers is for debugging; its warnings and errors are for everybody."""

        def setup(self, cfg: object) -> None:
            """Set no handlers, as gunicorn's own would print each line a second time in another form."""
            self.cfg = cfg
            self.error_log.setLevel(logging.WARNING if level == "info" else level.upper())
            self.error_log.propagate = True

    return RootLogger
