"""pynet as a service under a real systemd: a bad setting and its mending, and ``pynet doctor`` on broken hosts."""

import json
import shlex
import subprocess
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from tests.engine.lab.process import wait_until
from tests.trial import addresses
from tests.trial.broken import HOSTS, SOUND, SUBNET4, SUBNET6, UPLINK, Broken, verdict
from tests.trial.machine import Machine
from tests.trial.steps import Row, Steps, Transcript, says

LEAST = 18  # of the broken hosts
DISK = "mkdir -p /var/lib/pynet && mount -t tmpfs -o size=80m,mode=700 state /var/lib/pynet"
IMAGE = (
    "mkdir -p image/bin && cp /bin/busybox image/bin && for name in sh ping sleep; do ln -sf busybox image/bin/$name; "
    "done && tar -C image -c . | docker import - busybox"
)
NETWORK = f"docker network create --driver pynet --ipam-driver pynet --subnet {SUBNET4} --ipv6 --subnet {SUBNET6} web"
PING = "docker run --rm --network web busybox ping -c 3 one"
BAD = "PYNET_THREADS=2"
SPOIL = f"echo {BAD} >>/etc/default/pynet; systemctl restart pynet.service"
MEND = "sed -i /PYNET_THREADS/d /etc/default/pynet; systemctl restart pynet.service"
VARIABLES = {
    "PYNET": "pynet",
    "SOCKET": "/run/docker/plugins/pynet.sock",
    "STATE": "/var/lib/pynet",
    "STOP": "systemctl kill -s STOP pynet.service",
    "CONTINUE": "systemctl kill -s CONT pynet.service",
    "END": "systemctl stop pynet.socket pynet.service",
    "START": "systemctl start pynet.socket pynet.service",
    "DOWN": "systemctl stop docker.socket docker.service",
    "UP": "systemctl start docker.service",
    "ADDRESSES": "python3 /addresses.py /run/docker/plugins/pynet.sock /var/lib/pynet",
}


def try_service(machine: Machine, transcript: Transcript, parts: Collection[str]) -> int:
    """Play the administrator and the operator; return how many steps were not as they should be."""
    trial = ServiceTrial(machine, transcript)
    transcript.heading("Administrator: the package, under systemd")
    trial.install()
    if "administrator" in parts:
        trial.bad_setting()
        trial.as_a_user()
    if "operator" in parts:
        transcript.heading("Operator at 3 am: broken hosts, and hosts that only look so")
        trial.look()
        trial.broken_hosts()
        trial.sound_hosts()
    if "administrator" in parts:
        transcript.heading("Administrator: the package goes")
        trial.remove()
    return trial.wrong


class ServiceTrial(Steps):
    """A machine with systemd, an engine, and the Debian package at /pynet.deb."""

    def install(self) -> None:
        """Install the package beside an engine that runs, and make a network."""
        self.machine.copy(Path(addresses.__file__), "addresses.py")
        wait_until(lambda: self.works("docker version"), "the engine to run", 120)
        self.step("systemd is process 1", "cat /proc/1/comm", right=says("systemd"))
        self.step("a small disk, a way outside, an image", f"{DISK} && {UPLINK} && {IMAGE}")
        self.step("apt-get install pynet.deb", "dpkg -i /pynet.deb && systemctl is-active pynet.service")
        pings = says(" 0% packet loss")
        self.step("a network, a container and ping", f"{NETWORK} && {_run('one')} && {PING}", right=pings)
        self.step("systemctl restart, and again a ping", f"systemctl restart pynet && {PING}", right=pings)

    def bad_setting(self) -> None:
        """A typo in the settings of the service: doctor names it, and mending it is all that there is to do."""
        self.step(f"{BAD} in /etc/default/pynet, restart", SPOIL, fails=True)
        other = "timeout 60 docker network create --driver pynet other"
        self.step("docker network create meanwhile", other, fails=True)
        named = says("PYNET_THREADS", "/etc/default/pynet")
        self.step("pynet doctor names it", "pynet doctor", fails=True, right=named)
        self.step("mended, and restarted by systemctl restart alone", MEND)
        self.step("the units run", "systemctl is-active pynet.service pynet.socket")
        self.step("docker network create again", f"{other} && docker network rm other")
        self.works("systemctl reset-failed; systemctl start pynet.socket pynet.service")  # the rest is worth seeing too

    def as_a_user(self) -> None:
        """A user who is not root gets a sentence and no traceback."""
        told = says("only root may look at")
        self.step(
            "pynet doctor as a user",
            "pynet doctor",
            user="daemon",
            right=lambda text: told(text) and "Traceback" not in text and "does not run" not in text,
        )

    def look(self) -> None:
        """Ask for everything that an operator asks for first."""
        self.step("the state of pynet", "pynet status", right=says("networks"))
        self.step("the containers, as docker pynet", "docker pynet ps", right=says("one"))
        lines = "journalctl -u pynet --no-pager | tail -n 5"
        self.step("the last lines of the log", lines, right=says("pynet started", "network created", "network removed"))

    def broken_hosts(self) -> None:
        """Break the host in each way, and mend it."""
        found = sum(self._try(host) for host in HOSTS)
        wanted = f"at least {LEAST} are wanted"
        self.note(Row(f"doctor finds {found} of {len(HOSTS)} broken hosts", found >= LEAST, wanted, 0))

    def sound_hosts(self) -> None:
        """Make the host look strange in each way."""
        for host in SOUND:
            self._try(host)

    def remove(self) -> None:
        """Remove everything."""
        self.step("the container and the network go", "docker rm -f one && docker network rm web")
        self.step("dpkg --purge", "dpkg --purge pynet && ! ls /usr/lib/pynet /etc/default/pynet 2>/dev/null")

    def _try(self, host: Broken) -> bool:
        start = time.monotonic()
        self._script(host.breaks)
        seen = self._doctor(host.variables)
        complaint = verdict(host, seen)
        meant = [finding for finding in seen if finding["check"] == host.check and host.words in str(finding)]
        said = complaint or (f"{meant[0]['severity']}: {meant[0]['cause']}" if meant else "no error and no warning")
        self._script(host.mends)
        left = [finding["cause"] for finding in self._doctor() if finding["severity"] != "note"]
        if left:
            complaint = said = f"NOT MENDED: {left}"
        row = Row(f"doctor: {host.name}", not complaint, said, time.monotonic() - start)
        self.note(row, f"{host.breaks}; pynet doctor", said)
        return bool(host.check) and not complaint

    def _script(self, script: str) -> None:
        link = 'LINK="pn-$(docker network inspect -f "{{slice .Id 0 12}}" web 2>/dev/null || cat /link)"; '
        link += 'LINK="${LINK%%$\'\\n\'*}"; echo "${LINK#pn-}" >/link; '
        exports = "".join(f"{key}={shlex.quote(value)}; " for key, value in VARIABLES.items())
        subprocess.run(self.machine.command(f"{link}{exports}{script}"), capture_output=True, timeout=120, check=False)

    def _doctor(self, variables: Sequence[tuple[str, str]] = ()) -> list[dict[str, Any]]:
        exports = "".join(f"export {key}={shlex.quote(value)}; " for key, value in variables)
        command = self.machine.command(f"{exports}pynet doctor --json")
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.stderr:
            return [{"check": "traceback", "severity": "error", "cause": done.stderr, "cure": "", "commands": []}]
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found


def _run(name: str) -> str:
    return f"docker run -d --name {name} --network web busybox sleep 1d"
