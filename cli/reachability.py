"""Commands about who may reach whom."""

import click

from cli.command_line import Command, refusals, with_json
from cli.progress import progress
from cli.tables import as_json


@click.command(
    cls=Command,
    examples=[
        "pynet path web db tcp/5432",
        "pynet path outside web tcp/80",
        "pynet path web host udp/53",
        "pynet path web 192.0.2.7 icmp",
    ],
    codes={
        0: "The packet passes.",
        1: "It is dropped or refused; or there is no such container.",
        2: "Another firewall may stop it, whose rules pynet cannot follow.",
    },
    see=["pynet doctor", "docs/guide/troubleshooting.md"],
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("service")
@click.option("-6", "--ipv6", is_flag=True, help="Ask for IPv6, where both ends have both IP versions.")
@with_json
@click.pass_context
def path(context: click.Context, *, source: str, target: str, service: str, ipv6: bool, machine: bool) -> None:
    """Print the steps of a new connection between FROM and TO, and which of them decides.

    FROM and TO are containers, addresses, host or outside; SERVICE is tcp/80, udp/53, sctp/9 or icmp. No packet is
    sent: the answer follows from the networks, the host's settings and the rules of firewalls.
    """
    from cli.client.serving import answer
    from cli.commands.path import CODES, as_data, as_text, end_of
    from cli.engine.api import known_names
    from plugin.protocol.path_messages import Fate

    with refusals(), progress("following the packet"):
        version = {"Version": "6"} if ipv6 else {}
        reply = answer("Path", From=end_of(source), To=end_of(target), Service=service, **version)
        data = as_data(reply, (source, target, service), known_names())
    click.echo(as_json(data) if machine else as_text(data))
    context.exit(CODES[Fate(data["fate"])])
