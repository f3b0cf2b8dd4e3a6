"""The packed messages of token buckets and redirections, as pyroute2 reads them."""

import errno
import socket
from collections.abc import Sequence

import pytest
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from netlink import limits, uapi
from netlink.gso import gso_sizes
from netlink.limits import HANDLES, PREFERENCE, Bucket
from netlink.own_changes import OwnChanges
from netlink.request import Requests
from plugin.host.packet_size import BIG


def read(message: bytes) -> tcmsg:
    """Return a message as pyroute2 decodes it."""
    decoded = tcmsg(message)
    decoded.decode()
    return decoded


@pytest.mark.parametrize("rate", [8000, 1_250_000, 2**32 - 1, 12_500_000_000])
def test_a_token_bucket_is_packed_as_iproute2_does(rate: int) -> None:
    """The link, the handle, the rate, the burst and the queue; pyroute2 does not know rates above 32 bits."""
    packed = limits._tbf(7, Bucket(rate, 300_000, 73_728), HANDLES[0], uapi.NLM_F_CREATE)
    decoded = read(packed)
    parameters = decoded.get_attr("TCA_OPTIONS").get_attr("TCA_TBF_PARMS")

    assert (decoded["index"], decoded["handle"], decoded["parent"]) == (7, HANDLES[0], uapi.TC_H_ROOT)
    assert decoded.get_attr("TCA_KIND") == "tbf"
    assert (parameters["rate"], parameters["limit"]) == (min(rate, 2**32 - 1), 73_728)
    assert Bucket(rate, 300_000, 73_728).is_like(limits._bucket(packed[uapi.NLMSGHDR.size :]))


def test_a_redirection_matches_every_frame() -> None:
    """One filter for all protocols, whose only key has an empty mask, and whose action sends by another link."""
    decoded = read(limits._filter(7, 9))
    options = decoded.get_attr("TCA_OPTIONS")
    [key] = options.get_attr("TCA_U32_SEL")["keys"]

    assert (decoded["index"], decoded["parent"]) == (7, uapi.TC_H_INGRESS_FILTERS)
    assert decoded["info"] == PREFERENCE << 16 | socket.htons(uapi.ETH_P_ALL)
    assert (key["key_mask"], key["key_val"]) == (0, 0)
    assert list(limits._targets(limits._filter(7, 9)[uapi.NLMSGHDR.size :])) == [9]


def test_filters_and_queues_of_others_are_passed_over() -> None:
    """A filter at another place, and a queue of another kind, are not pynet's."""
    other = limits._head(7, 0, uapi.TC_H_INGRESS_FILTERS, 7 << 16) + limits._filter(7, 9)[uapi.NLMSGHDR.size + 20 :]

    assert list(limits._targets(other)) == []
    assert limits._bucket(limits._ingress(7)[uapi.NLMSGHDR.size :]) is None


class OldKernel(Requests):
    """A kernel whose ifb links have no packets above 64 kB."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[bytes] = []

    def send_all(self, requests: Sequence[bytes]) -> list[int]:
        large = [gso_sizes(BIG) in sent for sent in requests]
        self.made += [sent for sent, refused in zip(requests, large, strict=True) if not refused]
        return [errno.EINVAL if refused else 0 for refused in large]


def test_a_limiter_that_cannot_have_large_packets_is_made_without() -> None:
    """An older kernel refuses the sizes, and the link is made with its own."""
    kernel = OldKernel()
    limits.RateLimits(kernel, OwnChanges(), 7).add_ifb("pni0", BIG)

    assert len(kernel.made) == 1


def test_the_kernel_keeps_a_burst_as_a_time() -> None:
    """What the kernel gives back is the same burst but for its rounding, and another one is not."""
    wanted = Bucket(12_500_000_000, 50_000_000, 73_728)

    assert wanted.is_like(Bucket(12_500_000_000, 49_999_200, 73_728))
    assert not wanted.is_like(Bucket(12_500_000_000, 49_000_000, 73_728))
    assert not wanted.is_like(Bucket(12_500_000_000, 50_000_000, 70_000))
    assert not wanted.is_like(None)
