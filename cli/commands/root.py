"""Refuses commands that the kernel lets only root do."""

import os

from plugin.errors import Unprivileged


def need_root(action: str, user: int | None = None) -> None:
    """Refuse an action of another user than root; ``user`` is by default the one of this process.

    Raises:
        Unprivileged: see above.
    """
    if (os.geteuid() if user is None else user) != 0:
        raise Unprivileged(f"{action}: only root may; run it as root")
