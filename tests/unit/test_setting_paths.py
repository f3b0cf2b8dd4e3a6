"""The settings that a record may name."""

import pytest

from plugin.model.records import ChangedSetting
from plugin.model.setting_paths import is_changeable

LINK = "net/ipv4/conf/br-mine/route_localnet"


@pytest.mark.parametrize(
    "path", ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", LINK, "net/ipv6/conf/eth0.5/disable_ipv6"]
)
def test_what_pynet_changes_is_on_the_list(path: str) -> None:
    """Forwarding of the host, and settings of single links, whose names may have dots."""
    assert is_changeable(path)
    ChangedSetting(path, "0").check()


@pytest.mark.parametrize(
    "path",
    [
        "kernel/core_pattern",
        "/etc/passwd",
        "net/ipv4/conf/../forwarding",
        "net/ipv4/conf/all/rp_filter",
        "net/ipv4/conf/a/b/rp_filter",
        "net/ipv4/conf/eth0/rp_filter\n",
        "net/ipv4/conf//rp_filter",
        "net/ipv4/conf/eth0/disable_ipv6",
        "net/core/bpf_jit_enable",
    ],
)
def test_all_else_is_not(path: str) -> None:
    """Settings of other parts of the kernel, of all links, or outside of the folder are refused."""
    assert not is_changeable(path)
    with pytest.raises(ValueError, match="is no setting that pynet changes"):
        ChangedSetting(path, "0").check()


@pytest.mark.parametrize("value", ["", "x", "0\n", "-1", "1" * 11, "０"])
def test_a_value_is_digits(value: str) -> None:
    """Every setting on the list holds a small number."""
    with pytest.raises(ValueError, match="is no value of setting"):
        ChangedSetting(LINK, value).check()
