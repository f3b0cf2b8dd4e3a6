"""The rules of Docker Engine 28 for its default bridge and one more network, where a container publishes a port."""

ACCEPTS = "-A FORWARD -i pn-+ -j ACCEPT\n-A FORWARD -o pn-+ -j ACCEPT\n"  # as plugin.firewall.foreign_chains adds them
_RULES = """\
*raw
:PREROUTING ACCEPT
-A PREROUTING -d {address} ! -i {bridge} -j DROP
COMMIT
*nat
:DOCKER -
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s {subnet} ! -o {bridge} -j MASQUERADE
-A DOCKER ! -i {bridge} -p tcp -m tcp --dport 8080 -j DNAT --to-destination {address}:80
COMMIT
*filter
:FORWARD DROP
:DOCKER -
:DOCKER-BRIDGE -
:DOCKER-CT -
:DOCKER-FORWARD -
:DOCKER-INTERNAL -
:DOCKER-USER -
-A FORWARD -j DOCKER-USER
{accepts}-A FORWARD -j DOCKER-FORWARD
-A DOCKER -d {address} ! -i {bridge} -o {bridge} -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER ! -i {bridge} -o {bridge} -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-BRIDGE -o {bridge} -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-CT -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-INTERNAL
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-FORWARD -i {bridge} -j ACCEPT
COMMIT
"""


def rules_of_docker(bridge: str, subnet: str, address: str, accepts: str = "") -> str:
    """Return the input of iptables-restore; ``accepts`` come behind DOCKER-USER."""
    return _RULES.format(bridge=bridge, subnet=subnet, address=address, accepts=accepts)
