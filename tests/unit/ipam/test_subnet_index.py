"""The index of subnets finds the same as a comparison with each."""

from ipaddress import ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.ipam.subnet_index import SubnetIndex
from plugin.protocol.messages import Subnet


def _subnet(number: int, length: int) -> Subnet:
    return ip_network((int(ip_network("10.0.0.0/24").network_address) + number, length), strict=False)


subnets = st.builds(_subnet, st.integers(0, 255), st.integers(22, 32)) | st.just(ip_network("fd00::/64"))


@settings(max_examples=100, deadline=None)
@given(st.lists(subnets, max_size=12), st.data())
def test_it_finds_the_subnets_that_overlap(given_subnets: list[Subnet], data: st.DataObject) -> None:
    """Inside, around, equal or apart, of both families, and after removals."""
    index, has = SubnetIndex(), dict(enumerate(given_subnets))
    for owner, subnet in has.items():
        index.add(subnet, str(owner))
    for owner in data.draw(st.lists(st.sampled_from(sorted(has)), unique=True)) if has else []:
        index.remove(has.pop(owner), str(owner))
    wanted = data.draw(subnets)
    expected = {
        str(owner) for owner, subnet in has.items() if subnet.version == wanted.version and subnet.overlaps(wanted)
    }

    assert sorted(index.overlapping(wanted)) == sorted(expected)
