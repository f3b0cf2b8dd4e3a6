"""The address manager against a model, through any order of verbs, restarts and failures of the store."""

from ipaddress import ip_address

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from plugin.errors import Conflict, Exhausted, Failed
from plugin.model.records import Lease
from plugin.protocol.messages import ReleasePool
from tests.unit.ipam.parts import MeddlingStore, address, manager, pool, release

USABLE = {"10.1.0.0/29": [f"10.1.0.{n}" for n in range(1, 7)], "fd00:9::/126": [f"fd00:9::{n}" for n in range(1, 4)]}
subnets = st.sampled_from(sorted(USABLE))


class Manager(RuleBasedStateMachine):
    """Two small pools; the model is the set of addresses that are out."""

    @initialize()
    def start(self) -> None:
        self.store = MeddlingStore()
        self.ipam = manager(self.store)
        self.out: dict[str, set[str]] = {}

    @rule(subnet=subnets)
    def open_pool(self, subnet: str) -> None:
        if subnet in self.out:
            with pytest.raises(Conflict):
                pool(self.ipam, subnet)
            return
        assert pool(self.ipam, subnet).pool_id == f"pynet-local/{subnet}"
        self.out[subnet] = set()

    @rule(subnet=subnets)
    def close_pool(self, subnet: str) -> None:
        self.ipam.release_pool(ReleasePool(f"pynet-local/{subnet}"))
        self.out.pop(subnet, None)

    @rule(subnet=subnets, gateway=st.booleans())
    def ask_any(self, subnet: str, gateway: bool) -> None:
        if subnet not in self.out:
            return
        wish = {"gateway": "yes"} if gateway else {}
        if len(self.out[subnet]) == len(USABLE[subnet]):
            with pytest.raises(Exhausted):
                address(self.ipam, f"pynet-local/{subnet}", **wish)
            return
        first_is_free = USABLE[subnet][0] not in self.out[subnet]
        given = address(self.ipam, f"pynet-local/{subnet}", **wish).partition("/")[0]
        assert given in USABLE[subnet]
        assert given not in self.out[subnet]
        assert not (gateway and first_is_free) or given == USABLE[subnet][0]
        self.out[subnet].add(given)

    @rule(subnet=subnets, number=st.integers(0, 2))
    def ask_one(self, subnet: str, number: int) -> None:
        if subnet not in self.out:
            return
        wanted = USABLE[subnet][number]
        if wanted in self.out[subnet]:
            with pytest.raises(Conflict):
                address(self.ipam, f"pynet-local/{subnet}", wanted)
            return
        address(self.ipam, f"pynet-local/{subnet}", wanted)
        self.out[subnet].add(wanted)

    @rule(subnet=subnets, number=st.integers(0, 5))
    def give_back(self, subnet: str, number: int) -> None:
        wanted = USABLE[subnet][number % len(USABLE[subnet])]
        release(self.ipam, f"pynet-local/{subnet}", wanted)
        self.out.get(subnet, set()).discard(wanted)

    @rule(subnet=subnets)
    def ask_while_the_store_fails(self, subnet: str) -> None:
        if subnet not in self.out or len(self.out[subnet]) == len(USABLE[subnet]):
            return
        self.store.failures = 1
        with pytest.raises(Failed):
            address(self.ipam, f"pynet-local/{subnet}")

    @rule()
    def restart(self) -> None:
        self.ipam = manager(self.store)

    @invariant()
    def the_store_holds_what_is_out(self) -> None:
        stored = {(item.record.pool_id, item.record.address) for item in self.store.list(Lease)}
        model = {(f"pynet-local/{net}", ip_address(text)) for net, texts in self.out.items() for text in texts}
        assert stored == model


Manager.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
test_machine = Manager.TestCase
