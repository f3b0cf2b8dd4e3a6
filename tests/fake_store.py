"""A store whose writes can fail."""

from typing import Any

from plugin.store.base import Change
from plugin.store.memory import MemoryStore
from tests.fake_sockets import Steps


class FailingStore:
    """A memory store whose writes are steps too."""

    def __init__(self, steps: Steps) -> None:
        self.real = MemoryStore()
        self._steps = steps

    def transact(self, *changes: Change) -> None:
        self._steps.take("write the store")
        self.real.transact(*changes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)
