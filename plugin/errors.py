"""Kinds of errors; ``handlers`` turns a kind into an HTTP status, in one place.

    PynetError
     ├─ InvalidRequest   the request cannot be read or accepted            (400)
     │   └─ Unsupported  legal, but this kernel or mode cannot do it       (400)
     ├─ NotFound         a network, endpoint or pool that nobody created   (500)
     ├─ Conflict         somebody else holds the name, address or subnet   (500)
     ├─ Exhausted        nothing left to hand out                          (500)
     ├─ Busy             a lock or the store stayed taken past a deadline  (500)
     └─ Failed           the kernel, the firewall or the store refused     (500)
         ├─ Incompatible a newer pynet wrote the state                     (at start)
         └─ Unprivileged pynet lacks what it needs of root                 (at start)

404 is absent on purpose: to Docker it means "method not implemented"
(moby pkg/plugins/errors.go) and is swallowed for some methods.
"""


class PynetError(Exception):
    """Base of every error that a user may read; its text is a whole sentence."""


class InvalidRequest(PynetError):
    """The request cannot be read, or breaks a rule that the text names."""


class Unsupported(InvalidRequest):
    """The request is legal but this host or mode cannot serve it."""


class NotFound(PynetError):
    """The network, endpoint or pool is not known."""


class Conflict(PynetError):
    """Another network, endpoint or process holds what was asked for."""


class Exhausted(PynetError):
    """A pool or a supernet has nothing left."""


class Busy(PynetError):
    """Something stayed locked until the deadline of the request."""


class Failed(PynetError):
    """The kernel, the firewall or the store refused to carry something out."""


class Unprivileged(Failed):
    """The process lacks a capability, or may not give up the others."""


class Incompatible(Failed):
    """The state was written by a newer pynet."""
