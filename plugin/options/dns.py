"""The option that says where containers find names."""

from plugin.options.option import Option, choice


def dns_option() -> Option[str]:
    """Return the option of networks whose gateway is the host."""
    return Option(
        "pynet.dns",
        choice("off", "on", "hijack"),
        "off",
        "off, on or hijack",
        "with `on`, pynet's resolver answers questions of containers at the gateway address of their network and at "
        "169.254.53.53: names of containers, and all others from the host's servers; with `hijack` also questions to "
        "other servers outside of the network, as engines up to 25 send them from the container",
        live=True,
    )
