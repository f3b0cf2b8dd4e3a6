"""The log of gunicorn's parent, which loads what it takes to write lines only when there is one."""

import logging


class FirstLine(logging.Handler):
    """Sets up the log when the first line comes, which is rare: the parent only watches its worker."""

    def __init__(self, level: str, form: str) -> None:
        super().__init__()
        self._wanted = level, form

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line with the handlers that take the place of this one."""
        from cli.server.logs import configure

        configure(*self._wanted)
        logging.getLogger().handle(record)
