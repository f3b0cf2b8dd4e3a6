"""Token buckets on links, and redirection of the frames that a link receives (``tc qdisc``, ``tc filter``).

The kernel limits only the frames that a link sends. So frames that come in by a link are redirected to an ``ifb`` link,
whose token bucket they pass before they go on as if they had just come in.

A bucket that gets smaller stops its link for good if a packet larger than the new size waits in it: ``tbf_dequeue``
never has enough tokens for that one (net/sched/sch_tbf.c; tried). So a bucket grows in place, and a smaller one takes
its place as a new one: the packets that wait, a few tens, are lost.
"""

import errno
import socket
import sys
from collections.abc import Collection, Iterator
from functools import partial

from netlink import request, uapi
from netlink.dump import dump
from netlink.errors import NotSupported, kernel_errors
from netlink.gso import gso_sizes
from netlink.own_changes import MADE, SET, OwnChanges
from netlink.request import Requests, link_index, link_name
from netlink.values import dataclass
from netlink.wire import attribute, attributes, check, message, number, text, word

HANDLES = (0x706E0000, 0x706F0000)  # 706e: and 706f:, by which pynet knows its own; two, to put one in another's place
PREFERENCE = 0x706E  # of pynet's filter: those of others run before it or after it
_NS = 1_000_000_000
_LARGEST = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Bucket:
    """``tbf``: ``rate`` in bytes a second, ``burst``, the size of the bucket, and ``queue``, for waiting, in bytes."""

    rate: int
    burst: int
    queue: int

    def is_like(self, found: "Bucket | None") -> bool:
        """Return whether ``found`` is this bucket; the kernel keeps the burst as a time, in units of 64 ns."""
        if found is None or (found.rate, found.queue) != (self.rate, self.queue):
            return False
        return abs(found.burst - self.burst) <= 2 + self.rate * 128 // _NS + self.burst // 1_000_000


@dataclass(frozen=True, slots=True)
class _Found:
    handle: int
    bucket: Bucket | None  # None for a queue of another kind


class RateLimits:
    """Verbs on token buckets and redirections, which may raise ``KernelError``."""

    def __init__(self, requests: Requests, changes: OwnChanges, group: int) -> None:
        self._requests = requests
        self._changes = changes
        self._group = group

    def buckets(self, names: Collection[str]) -> dict[str, Bucket]:
        """Return pynet's token buckets of the links ``names``, by link; links that are gone have none.

        The kernel can only list the queues of all links: those of others are passed over undecoded.
        """
        own = {name: found for name, found in self._roots(names).items() if found.handle in HANDLES}
        return {name: found.bucket for name, found in own.items() if found.bucket is not None}

    def set_bucket(self, name: str, bucket: Bucket) -> None:
        """``tc qdisc add dev NAME root handle 706e: tbf rate RATE burst BURST limit QUEUE``, or change the one there.

        Raises:
            NotSupported: the kernel has no token buckets.
        """
        action = f"limit the rate of '{name}'"
        index = link_index(name, action)
        new = partial(_tbf, index, bucket)
        self._changes.record(SET, name)
        with kernel_errors(action):
            [code] = self._requests.send_all([new(HANDLES[0], uapi.NLM_F_CREATE | uapi.NLM_F_EXCL)])
            if code == errno.EEXIST:
                found = self._roots([name]).get(name, _Found(0, None))
                before, own = found.bucket, found.handle in HANDLES
                if own and before is not None and before.burst <= bucket.burst + before.rate * 128 // _NS + 2:
                    self._requests.send(new(found.handle, 0))
                    return
                other = HANDLES[found.handle == HANDLES[0]]
                self._requests.send(new(other, uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE))
                return
            _refuse(code, action, "token buckets (sch_tbf)")

    def delete_bucket(self, name: str) -> None:
        """``tc qdisc del dev NAME root``, if pynet set that."""
        action = f"end the limit of '{name}'"
        index = link_index(name, action)
        found = self._roots([name]).get(name)
        if found is not None and found.handle in HANDLES:
            self._changes.record(SET, name)
            with kernel_errors(action):
                head = _head(index, found.handle, uapi.TC_H_ROOT)
                self._requests.send(message(uapi.RTM_DELQDISC, uapi.NLM_F_ACK, head))

    def redirections(self, names: Collection[str]) -> dict[str, str]:
        """Return by link the links to which pynet redirects the frames that come in by the links ``names``."""
        found = {}
        for index, name in _indexes(names).items():
            with kernel_errors(f"list filters of '{name}'"):
                for body in dump(uapi.RTM_GETTFILTER, _head(index, 0, uapi.TC_H_INGRESS_FILTERS)):
                    for target in _targets(body):
                        found[name] = link_name(target)
        return found

    def redirect(self, name: str, to: str) -> None:
        """``tc filter add dev NAME ingress … u32 match u32 0 0 action mirred egress redirect dev TO``.

        Raises:
            Missing: a link is not there.
            NotSupported: the kernel cannot do that.
        """
        action = f"redirect frames of '{name}' to '{to}'"
        index, target = link_index(name, action), link_index(to, action)
        self._changes.record(SET, name)
        with kernel_errors(action):
            codes = self._requests.send_all([_ingress(index), _no_filter(index), _filter(index, target)])
        if codes[0] != errno.EEXIST:
            _refuse(codes[0], action, "queues for frames that come in (sch_ingress)")
        _refuse(codes[2], action, "redirection of frames (cls_u32, act_mirred)")

    def end_redirect(self, name: str) -> None:
        """``tc filter del``, and ``tc qdisc del dev NAME ingress`` if nobody else has a filter there."""
        action = f"end the redirection of frames of '{name}'"
        index = link_index(name, action)
        self._changes.record(SET, name)
        with kernel_errors(action):
            [code] = self._requests.send_all([_no_filter(index)])
            if code in {errno.ENOENT, errno.EINVAL}:  # no such filter, or no place for filters
                return
            check(code)
            if not dump(uapi.RTM_GETTFILTER, _head(index, 0, uapi.TC_H_INGRESS_FILTERS)):
                self._requests.send(message(uapi.RTM_DELQDISC, uapi.NLM_F_ACK, _head(index, 0, uapi.TC_H_INGRESS)))

    def add_ifb(self, name: str, gso: int = 0) -> None:
        """``ip link add NAME type ifb``, down; ``gso`` is its largest packet in bytes, 0 for the kernel's own.

        Where such links cannot have larger packets, the kernel cuts those in software.

        Raises:
            Exists: the name is taken.
            NotSupported: the kernel has no such links.
        """
        action = f"add link '{name}'"
        body = request.NO_LINK + text(uapi.IFLA_IFNAME, name) + word(uapi.IFLA_GROUP, self._group)
        body += attribute(uapi.IFLA_LINKINFO, text(uapi.IFLA_INFO_KIND, "ifb"))
        with kernel_errors(action):
            self._changes.record(MADE, name)
            [code] = self._requests.send_all([message(uapi.RTM_NEWLINK, request.NEW, body + gso_sizes(gso))])
            if code == errno.EINVAL and gso:
                [code] = self._requests.send_all([message(uapi.RTM_NEWLINK, request.NEW, body)])
            check(code)

    def try_buckets(self) -> None:
        """Raise ``NotSupported`` if the kernel has no token buckets.

        The request has no rate, so that the kernel refuses it: in another way if it knows the kind (``tbf_init``).
        """
        action = "look for token buckets"
        head = _head(link_index("lo", action), HANDLES[0], uapi.TC_H_ROOT) + text(uapi.TCA_KIND, "tbf")
        flags = uapi.NLM_F_ACK | uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
        with kernel_errors(action):
            [code] = self._requests.send_all([message(uapi.RTM_NEWQDISC, flags, head)])
        if code == errno.ENOENT:
            _refuse(code, action, "token buckets (sch_tbf)")

    def _roots(self, names: Collection[str]) -> dict[str, _Found]:
        """Return the queues of links that somebody set, by link."""
        indexes, found = _indexes(names), {}
        with kernel_errors("list queues of links"):
            for body in dump(uapi.RTM_GETQDISC, _head(0, 0, 0)) if indexes else ():
                _, index, handle, parent, _ = uapi.TCMSG.unpack_from(body)
                if parent == uapi.TC_H_ROOT and index in indexes:
                    found[indexes[index]] = _Found(handle, _bucket(body))
        return found


def _indexes(names: Collection[str]) -> dict[int, str]:
    found = {}
    for name in names:
        try:
            found[socket.if_nametoindex(name)] = name
        except OSError:
            continue
    return found


def _refuse(code: int, action: str, part: str) -> None:
    """Raise the error of an errno that is not 0; the kernel says ENOENT for a part that it does not have."""
    if code in {errno.ENOENT, errno.EOPNOTSUPP}:
        raise NotSupported(f"{action}: the kernel has no {part}")
    if code:
        with kernel_errors(action):
            check(code)


def _head(index: int, handle: int, parent: int, info: int = 0) -> bytes:
    return uapi.TCMSG.pack(socket.AF_UNSPEC, index, handle, parent, info)


def _tbf(index: int, bucket: Bucket, handle: int, flags: int) -> bytes:
    """RTM_NEWQDISC of a token bucket in the place of the link's own queue."""
    small = min(bucket.rate, _LARGEST)
    rate = uapi.TC_RATESPEC.pack(0, uapi.TC_LINKLAYER_ETHERNET, 0, 0, 0, small)
    ticks = min((bucket.burst * _NS // bucket.rate) >> uapi.PSCHED_SHIFT, _LARGEST)
    qopt = rate + uapi.TC_RATESPEC.pack(0, 0, 0, 0, 0, 0) + uapi.TC_TBF_QOPT_TAIL.pack(bucket.queue, ticks, 0)
    options = attribute(uapi.TCA_TBF_PARMS, qopt) + word(uapi.TCA_TBF_BURST, bucket.burst)
    if bucket.rate > small:
        options += attribute(uapi.TCA_TBF_RATE64, bucket.rate.to_bytes(8, sys.byteorder))
    body = _head(index, handle, uapi.TC_H_ROOT) + text(uapi.TCA_KIND, "tbf") + attribute(uapi.TCA_OPTIONS, options)
    return message(uapi.RTM_NEWQDISC, uapi.NLM_F_ACK | flags, body)


def _bucket(body: bytes) -> Bucket | None:
    """Read RTM_NEWQDISC; None if it is no token bucket."""
    found = dict(attributes(body[uapi.TCMSG.size :]))
    if found.get(uapi.TCA_KIND) != b"tbf\0":
        return None
    options = dict(attributes(found[uapi.TCA_OPTIONS]))
    qopt = options[uapi.TCA_TBF_PARMS]
    rate = number(options.get(uapi.TCA_TBF_RATE64, b"")) or uapi.TC_RATESPEC.unpack_from(qopt)[-1]
    queue, ticks, _ = uapi.TC_TBF_QOPT_TAIL.unpack_from(qopt, 2 * uapi.TC_RATESPEC.size)
    return Bucket(rate, (ticks << uapi.PSCHED_SHIFT) * rate // _NS, queue)


def _ingress(index: int) -> bytes:
    """RTM_NEWQDISC of the place where filters see frames that come in."""
    body = _head(index, uapi.TC_H_INGRESS & 0xFFFF0000, uapi.TC_H_INGRESS) + text(uapi.TCA_KIND, "ingress")
    return message(uapi.RTM_NEWQDISC, request.NEW, body)


def _filter_head(index: int) -> bytes:
    protocol = socket.htons(uapi.ETH_P_ALL)
    return _head(index, 0, uapi.TC_H_INGRESS_FILTERS, PREFERENCE << 16 | protocol)


def _no_filter(index: int) -> bytes:
    """RTM_DELTFILTER of pynet's filter."""
    return message(uapi.RTM_DELTFILTER, uapi.NLM_F_ACK, _filter_head(index))


def _filter(index: int, target: int) -> bytes:
    """RTM_NEWTFILTER: every frame that comes in by ``index`` is sent by ``target`` instead."""
    mirred = uapi.TC_MIRRED.pack(0, 0, uapi.TC_ACT_STOLEN, 0, 0, uapi.TCA_EGRESS_REDIR, target)
    action = text(uapi.TCA_ACT_KIND, "mirred")
    action += attribute(uapi.TCA_ACT_OPTIONS, attribute(uapi.TCA_MIRRED_PARMS, mirred))
    key = uapi.TC_U32_KEY.pack(0, 0, 0, 0)
    selector = uapi.TC_U32_SEL.pack(uapi.TC_U32_TERMINAL, 0, 1, 0, 0, 0, 0, 0) + key
    options = attribute(uapi.TCA_U32_SEL, selector) + attribute(uapi.TCA_U32_ACT, attribute(1, action))
    body = _filter_head(index) + text(uapi.TCA_KIND, "u32") + attribute(uapi.TCA_OPTIONS, options)
    return message(uapi.RTM_NEWTFILTER, request.NEW, body)


def _targets(body: bytes) -> Iterator[int]:
    """Yield the index of the link to which a filter of pynet's redirects, from RTM_NEWTFILTER."""
    _, _, _, _, info = uapi.TCMSG.unpack_from(body)
    options = dict(attributes(dict(attributes(body[uapi.TCMSG.size :])).get(uapi.TCA_OPTIONS, b"")))
    for _, action in attributes(options.get(uapi.TCA_U32_ACT, b"")):
        found = dict(attributes(action))
        if info >> 16 == PREFERENCE and found.get(uapi.TCA_ACT_KIND) == b"mirred\0":
            mirred = dict(attributes(found.get(uapi.TCA_ACT_OPTIONS, b""))).get(uapi.TCA_MIRRED_PARMS, b"")
            yield uapi.TC_MIRRED.unpack_from(mirred)[-1]
