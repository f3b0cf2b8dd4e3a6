"""Limits of rates of an imaginary kernel, which may lack parts."""

from collections.abc import Collection
from typing import Any

from netlink.errors import NotSupported
from netlink.limits import Bucket
from tests.fake_sockets import Steps


class FakeLimits:
    """Token buckets and redirections, as ``netlink.limits.RateLimits`` makes them."""

    steps: Steps

    def __init__(self) -> None:
        super().__init__()
        self.limits: dict[str, Bucket] = {}
        self.redirected: dict[str, str] = {}
        self.without: set[str] = set()  # parts that the kernel lacks: "tbf", "ifb", "mirred"

    def change(self, name: str, **values: Any) -> None:
        """Change a link; raises ``Missing`` without it."""
        raise NotImplementedError

    def add_link(self, name: str, kind: str, gso: int) -> None:
        """Make a link."""
        raise NotImplementedError

    def forget_limits(self, name: str) -> None:
        """Forget the limits of a link that goes, and redirections into it."""
        self.limits.pop(name, None)
        for one, to in list(self.redirected.items()):  # other threads add some meanwhile
            if name in (one, to):
                self.redirected.pop(one, None)

    def buckets(self, names: Collection[str]) -> dict[str, Bucket]:
        return {name: bucket for name, bucket in list(self.limits.items()) if name in names}

    def set_bucket(self, name: str, bucket: Bucket) -> None:
        self.steps.take("limit a link")
        self.try_buckets()
        self.change(name, limited=True)
        self.limits[name] = bucket

    def delete_bucket(self, name: str) -> None:
        self.steps.take("end a limit")
        self.change(name, limited=False)
        self.limits.pop(name, None)

    def redirections(self, names: Collection[str]) -> dict[str, str]:
        return {name: to for name, to in list(self.redirected.items()) if name in names}

    def redirect(self, name: str, to: str) -> None:
        self.steps.take("redirect frames")
        if "mirred" in self.without:
            raise NotSupported("the kernel has no redirection of frames")
        self.change(name)
        self.change(to)
        self.redirected[name] = to

    def end_redirect(self, name: str) -> None:
        self.steps.take("end a redirection")
        self.change(name)
        self.redirected.pop(name, None)

    def add_ifb(self, name: str, gso: int = 0) -> None:
        self.steps.take("add a limiter")
        if "ifb" in self.without:
            raise NotSupported("operation not supported")
        self.add_link(name, "ifb", gso)

    def try_buckets(self) -> None:
        if "tbf" in self.without:
            raise NotSupported("the kernel has no token buckets")
