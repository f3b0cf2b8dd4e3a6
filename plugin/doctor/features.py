"""Tries the kernel features that pynet needs, in a network namespace of its own."""

from collections.abc import Callable
from contextlib import closing

from netlink.errors import KernelError
from netlink.kernel import Kernel
from netlink.namespace import scratch_namespace
from netlink.nftables import Nftables, open_runner
from netlink.veth import VethPair
from plugin.errors import PynetError
from plugin.firewall.writing import Writing
from plugin.model.desired import WantedLimit
from plugin.model.records import DEFAULT_MTU
from plugin.modes.limits import bucket, set_limit
from plugin.options.rates import Rate

PROBE = "pynet-probe"
TRIED = Rate(10_000_000)  # bits a second
RULES = {
    "nftables for IP (nf_tables)": "",
    "nftables for bridges (nf_tables_bridge)": "add table bridge t\nadd chain bridge t c "
    "{ type filter hook prerouting priority 0; }\nadd rule bridge t c ether type arp accept\n",
    "connection tracking in rules (nft_ct)": "add rule inet t f ct state established,related accept\n",
    "look-ups of address types (nft_fib_inet)": "add rule inet t f fib daddr type local accept\n",
    "address translation (nft_chain_nat)": "add chain inet t n { type nat hook prerouting priority -100; }\n"
    "add rule inet t n tcp dport 1 dnat ip to 192.0.2.1:1\n",
}
TABLE = "add table inet t\nadd chain inet t f { type filter hook forward priority 0; }\n"


def try_features() -> tuple[dict[str, str], str]:
    """Return, for each feature, why it does not work ("" where it works), and why none could be tried ("" if tried)."""
    try:
        with scratch_namespace(), closing(Kernel()) as kernel, closing(Nftables(open_runner())) as nft:
            return _try_features(kernel, nft), ""
    except KernelError as error:
        return {}, str(error)


def try_limits() -> str:
    """Return why the rates of containers cannot be limited, "" if they can, or if that could not be tried."""
    try:
        with scratch_namespace(), closing(Kernel()) as kernel:
            return _why(lambda: _limit(kernel))
    except KernelError:
        return ""


def _limit(kernel: Kernel) -> None:
    kernel.add_ifb(PROBE)
    set_limit(kernel, WantedLimit("", PROBE, bucket(TRIED, None, 0), PROBE))


def _try_features(kernel: Kernel, nft: Nftables) -> dict[str, str]:
    pair = VethPair("pynet-probe0", "pynet-probe1", "02:00:00:00:00:01", PROBE, DEFAULT_MTU)
    found = {
        "bridges (bridge)": _why(lambda: kernel.add_bridge(PROBE, "02:00:00:00:00:02", DEFAULT_MTU)),
        "veth pairs (veth)": _why(lambda: kernel.add_veth(pair)),
    }
    for feature, rules in RULES.items():
        found[feature] = _why(lambda rules=rules: nft.apply(f"flush ruleset\n{TABLE}{rules}"))  # type: ignore[misc]
    if not any(found.values()):
        found["room for pynet's own rules (nf_tables)"] = _why(lambda: Writing(nft, PROBE).write({}, {}))
    return found


def _why(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (KernelError, PynetError, OSError) as error:
        return str(error)
    return ""
