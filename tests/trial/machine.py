"""A bare machine: debootstrap's tree of a Debian suite, in namespaces of its own, with a way to the packages."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.engine.lab.host import LAB, claim_folder, remove_cgroups
from tests.engine.lab.process import children, wait_until
from tests.engine.lab.shell import run
from tests.engine.lab.suites import mirror
from tests.trial.proxy import PORT, Proxy

NAMESPACES = ("-m", "-n", "-u", "-i", "-p")
SERVICE = (
    *("systemd", "systemd-sysv", "dbus", "docker.io", "iptables", "nftables", "iproute2", "procps"),
    *("python3", "libnftables1", "busybox-static"),
)
WITH_CLIENT = ("bookworm",)  # suites whose docker.io has the command too
OWN_CERTIFICATES = "usr/local/share/ca-certificates"  # of an administrator, for the proxies of a company
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "http_proxy": f"http://127.0.0.1:{PORT}",
    "https_proxy": f"http://127.0.0.1:{PORT}",
    "PIP_CERT": "/etc/ssl/certs/ca-certificates.crt",
}


class Machine:
    """Use it with ``with``; nothing of it stays but the debootstrap of the suite, for the next time.

    With ``systemd`` it has Docker Engine too, both started as at a boot; else nothing but what debootstrap gives.
    """

    def __init__(self, suite: str, *, systemd: bool = False) -> None:
        self.suite = suite
        self._systemd = systemd
        self._stack = ExitStack()
        base = _base(suite, SERVICE if systemd else ())
        self._started: list[subprocess.Popen[bytes]] = []
        self._folder, lock = claim_folder()
        self._stack.callback(lock.close)
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._stack.callback(remove_cgroups, self._folder.name)
        script = Path(__file__).with_name("boot.sh" if systemd else "enter.sh")
        unshare = ("unshare", *NAMESPACES, "-f", "--kill-child", "--propagation", "private")
        self._init = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *unshare, "sh", script, base, self._folder, self._folder.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._stack.callback(self._end)
        assert self._init.stdout is not None
        if self._init.stdout.readline() != b"ready\n":
            self._stack.close()
            raise AssertionError(f"bare machine of Debian {suite} did not come up")
        self.pid = children(self._init.pid)[0]
        self._stack.callback(Proxy(self.pid).close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _end(self) -> None:
        assert self._init.stdin is not None
        assert self._init.stdout is not None
        self._init.stdin.close()  # process 1 ends with its input, and the kernel ends all others
        if self._systemd:
            self._init.kill()
        self._init.wait(30)
        wait_until(lambda: not Path(f"/proc/{self.pid}").exists(), "every process of the machine to be gone")
        for process in self._started:
            process.wait(30)
        self._init.stdout.close()

    @property
    def log(self) -> Path:
        """The file that gets the output of started programs."""
        return self._folder / "log"

    def start(self, script: str) -> subprocess.Popen[bytes]:
        """Start a script as root, which ends with the machine at the latest."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(self.command(script), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._started.append(process)
        return process

    def copy(self, file: Path, name: str) -> None:
        """Copy a file of this machine into its root folder."""
        shutil.copy(file, self.path(name))

    def path(self, inside: str) -> Path:
        """Return the path, on this machine, of a file of the bare one."""
        return Path(f"/proc/{self.pid}/root") / inside.lstrip("/")

    def command(self, script: str, user: str = "root") -> list[str]:
        """Return the command that runs a shell script as a user, in that user's home."""
        environment = [f"{key}={value}" for key, value in ENVIRONMENT.items()]
        enter = ("nsenter", "-t", str(self.pid), *NAMESPACES, "--", "env", "-i", *environment)
        return [*enter, "setpriv", "--reuid", user, "--regid", user, "--init-groups", "--reset-env", *_shell(script)]


def _shell(script: str) -> list[str]:
    exports = " ".join(f"{key}='{value}'" for key, value in ENVIRONMENT.items())
    return ["bash", "-c", f"export {exports}; cd; {script}"]


def _base(suite: str, packages: Sequence[str]) -> Path:
    base = LAB / f"pynet-{'service' if packages else 'bare'}-{suite}"
    packages = [*packages, "docker-cli"] if packages and suite not in WITH_CLIENT else packages
    with base.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another trial may be making it
        if not base.exists():
            print(f"{suite}: making a bare tree with debootstrap", flush=True)
            _make(base, suite, packages)
    return base


def _make(base: Path, suite: str, packages: Sequence[str]) -> None:
    part = base.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="pynet-debootstrap-") as work:
        program, environment = _debootstrap(Path(work))
        wanted = [f"--include={','.join(packages)}"] if packages else []
        # It mounts /proc in the tree, and leaves it there if it fails.
        alone = ("unshare", "-m", "--propagation", "private")
        run(*alone, *program, "--variant=minbase", *wanted, suite, part, mirror(), timeout=900, env=environment)
    for certificate in Path("/", OWN_CERTIFICATES).glob("*.crt"):
        (part / OWN_CERTIFICATES).mkdir(parents=True, exist_ok=True)
        shutil.copy(certificate, part / OWN_CERTIFICATES)
    # Of a mirror that stands still the suite that moves is out of date; who uses one has said so to apt.
    (part / "etc/apt/apt.conf.d/50mirror").write_text(run("apt-config", "dump", "Acquire::Check-Valid-Until") + "\n")
    part.rename(base)


def _debootstrap(work: Path) -> tuple[list[str], dict[str, str]]:
    """Return this machine's debootstrap, or that of its distribution, unpacked."""
    if found := shutil.which("debootstrap"):
        return [found], dict(os.environ)
    run("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "debootstrap", cwd=work, timeout=300)
    run("dpkg-deb", "-x", next(work.glob("*.deb")), work / "tree")
    folder = work / "tree/usr/share/debootstrap"
    return ["sh", str(work / "tree/usr/sbin/debootstrap")], {**os.environ, "DEBOOTSTRAP_DIR": str(folder)}
