"""Shell commands, and processes with a network namespace of their own as stand-ins for containers."""

import subprocess
from pathlib import Path

from tests.bare import PYTHON

LAB = Path(__file__).parents[1] / "engine/lab"
ECHO, PROBE = str(LAB / "echo.py"), str(LAB / "probe.py")


def sh(command: str) -> str:
    """Run a shell command in the namespace of the test and return what it printed; a failure raises."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{command}\nexit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def ask(*command: str) -> str:
    """Run a probe and return what it printed, or "" when it had no answer."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.strip() if done.returncode == 0 else ""


def host_asks(address: str, port: int, kind: str = "tcp") -> str:
    """Ask the echo at an address from the host itself."""
    return ask(*PYTHON, PROBE, kind, address, str(port))


class Container:
    """A process with a network namespace of its own, as a stand-in for a container."""

    def __init__(self) -> None:
        self._echoes: list[subprocess.Popen[bytes]] = []
        self._process = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "echo up; exec sleep 600"], stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    @property
    def pid(self) -> int:
        """Process id, by which ip and nsenter name the namespace."""
        return self._process.pid

    def sh(self, command: str) -> str:
        """Run a command in the container's network namespace."""
        return sh(f"nsenter -n -t {self.pid} -- sh -c '{command}'")

    def reaches(self, address: str) -> bool:
        """Say whether a ping to ``address`` is answered within a second."""
        ping = ["nsenter", "-n", "-t", str(self.pid), "--", "ping", "-c", "1", "-W", "1", address]
        return subprocess.run(ping, capture_output=True, timeout=20, check=False).returncode == 0

    def take(self, link: str, *commands: str) -> None:
        """Move ``link`` here as the engine does, call it eth0 and set it up."""
        sh(f"ip link set {link} netns {self.pid}")
        settings = (f"ip link set {link} name eth0", "ip link set lo up", "ip link set eth0 up", *commands)
        self.sh(" && ".join(settings))

    def echo(self) -> None:
        """Answer on port 7777, TCP and UDP, with the address that asked."""
        command = ["nsenter", "-n", "-t", str(self.pid), "--", *PYTHON, ECHO, "7777"]
        echo = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert echo.stdout is not None
        echo.stdout.readline()
        self._echoes.append(echo)

    def asks(self, address: str, port: int, kind: str = "tcp") -> str:
        """Ask the echo at an address; return whom it saw, or "" without an answer."""
        return ask("nsenter", "-n", "-t", str(self.pid), "--", *PYTHON, PROBE, kind, address, str(port))

    def end(self) -> None:
        """End the processes; the namespace goes with them."""
        for echo in self._echoes:
            echo.communicate()
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
