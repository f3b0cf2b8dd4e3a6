"""Settings of the kernel, by their paths below /proc/sys."""

FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}  # by IP version; they make a host a router
