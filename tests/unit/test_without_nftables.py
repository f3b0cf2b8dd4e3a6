"""A kernel without nftables is named, before libnftables ends the process because of it."""

import errno
import os
import socket

import pytest

from cli.exit_codes import KERNEL, exit_code
from netlink.errors import NotSupported
from netlink.nftables import open_runner


def test_a_kernel_without_nfnetlink_is_refused_with_a_sentence() -> None:
    """The sentence names the module and the way to learn more, and the exit code is that of a refusing kernel."""

    def refuse() -> socket.socket:
        raise OSError(errno.EPROTONOSUPPORT, os.strerror(errno.EPROTONOSUPPORT))

    with pytest.raises(NotSupported) as error:
        open_runner(refuse)

    assert str(error.value) == (
        "open nftables: protocol not supported; this kernel has no nfnetlink, which module 'nf_tables' brings: "
        "'modprobe nf_tables' says why it is not loaded"
    )
    assert exit_code(error.value) == KERNEL
