"""A throw-away Docker host: an engine in mount, network, UTS, IPC and PID namespaces of its own.

Its root is an overlay of the machine's, its process 1 dies with the program that made it, and its kernel dies with
process 1: whatever a test does or leaves, nothing of it stays on the machine.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from tests.engine.lab.api import Api
from tests.engine.lab.cli import Docker
from tests.engine.lab.engines import Engine
from tests.engine.lab.process import Process, children, wait_until
from tests.engine.lab.shell import run

REPOSITORY = Path(__file__).parents[3]
PREFIX = "pynet-lab-"
LAB = Path(os.environ.get("PYNET_LAB", "/var/tmp"))
RESOLVER = ("--dns", "127.0.0.1", "--dns-opt", "timeout:1", "--dns-opt", "attempts:1")
NAMESPACES = ("-m", "-n", "-u", "-i", "-p")
ENVIRONMENT = {
    "PATH": "/engine/usr/sbin:/engine/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "container": "pynet-lab",
}


class Host:
    """One throw-away host; use it with ``with``.

    Attributes:
        engine: the engine that runs in it.
        docker: the ``docker`` command of that engine, talking to it.
        api: the engine's HTTP API.
        pid: process 1 of the host, as the machine sees it.
    """

    def __init__(self, engine: Engine, name: str = "lab") -> None:
        self.engine = engine
        self.name = name
        self._folder, self._lock = claim_folder()
        for part in ("mnt", "data", "state", "export", "client"):
            (self._folder / part).mkdir()
        self.docker = Docker(engine.client, self.socket, self._folder / "client")
        self.api = Api(self.socket)
        self._dockerd: Process | None = None
        self._up()

    @property
    def socket(self) -> Path:
        """Where the machine reaches the engine's API."""
        return self._folder / "export/docker.sock"

    def log(self, program: str) -> Path:
        """The file that takes the output of ``program``."""
        return self._folder / f"export/{program}.log"

    def path(self, inside: str) -> Path:
        """The machine's path of a file inside the host."""
        return Path(f"/proc/{self.pid}/root") / inside.lstrip("/")

    def _up(self) -> None:
        shared = {str(REPOSITORY), sys.base_prefix} - {"/usr"}
        tree = str(self.engine.tree or "")
        script = Path(__file__).with_name("enter.sh")
        unshare = ("unshare", *NAMESPACES, "-f", "--kill-child", "--propagation", "private")
        with self.log("enter").open("wb") as errors:
            self._init = subprocess.Popen(
                [*unshare, "sh", str(script), str(self._folder), self.name, tree, *sorted(shared)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert self._init.stdout is not None
        if self._init.stdout.readline() != b"ready\n":
            complaint = self.log("enter").read_text()
            self.down()
            raise AssertionError(f"throw-away host {self.name!r} did not come up: {complaint}")
        self.pid = children(self._init.pid)[0]

    def down(self) -> None:
        """End every process of the host and remove all that it left on the machine."""
        assert self._init.stdin is not None
        assert self._init.stdout is not None
        self.api.close()
        self._init.stdin.close()  # process 1 reads the end of its input and ends; the kernel kills all the others
        try:
            self._init.wait(20)
        except subprocess.TimeoutExpired:
            self._init.kill()
            self._init.wait()
        self._init.stdout.close()
        if self._dockerd:
            self._dockerd.kill(all_of_it=True)
        remove_cgroups(self._folder.name)
        self._lock.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def cut_power(self) -> None:
        """End everything at once, without a word to anybody; only what lies on the disk is left, for ``boot``."""
        assert self._init.stdin is not None
        assert self._init.stdout is not None
        self.api.close()
        self._init.kill()  # unshare; process 1 and with it all others are killed by the kernel
        self._init.wait()
        wait_until(lambda: not Path(f"/proc/{self.pid}").exists(), "every process of the host to be gone")
        self._init.stdin.close()
        self._init.stdout.close()
        if self._dockerd:
            self._dockerd.kill(all_of_it=True)
            self._dockerd = None

    def boot(self) -> None:
        """Come up again after ``cut_power``, with a new network and the old disk; the engine is yet to be started."""
        self._up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def exec(self, *argv: str, stdin: bytes = b"", timeout: float = 90) -> str:
        """Run a command of the host inside all its namespaces and return what it printed."""
        return run(*self._enter(argv, {}), stdin=stdin, timeout=timeout)

    def net(self, *argv: str | Path, stdin: bytes = b"") -> str:
        """Run a command of the machine inside the host's network namespace and return what it printed."""
        return run("nsenter", "-t", str(self.pid), "-n", "--", *argv, stdin=stdin)

    def spawn(self, program: str, *argv: str, env: Mapping[str, str] | None = None) -> Process:
        """Start a lasting program inside all the host's namespaces; its output goes to ``log(program)``."""
        return Process(self._enter(argv, env or {}), self.log(program))

    def _enter(self, argv: tuple[str, ...], env: Mapping[str, str]) -> list[str]:
        words = [f"{key}={value}" for key, value in (ENVIRONMENT | dict(env)).items()]
        return ["nsenter", "-t", str(self.pid), *NAMESPACES, "--", "env", "-i", *words, *argv]

    def start_engine(self, *arguments: str, servers: Sequence[str] = RESOLVER) -> None:
        """Start the engine and wait until it answers; ``servers`` are its options about name servers."""
        self._dockerd = dockerd = self.spawn(
            "dockerd",
            *("dockerd", "-H", "unix:///run/docker.sock", "-H", "unix:///export/docker.sock"),
            *("--data-root", "/var/lib/docker", "--exec-root", "/run/docker", "--pidfile", "/run/docker.pid"),
            # There is no name server beyond the engine's: an unknown name shall cost 1 s, not 20.
            *("--cgroup-parent", f"/{self._folder.name}", *servers, *arguments),
        )
        try:
            wait_until(lambda: self.api.answers() or not dockerd.alive, "the engine to answer", 60)
            assert dockerd.alive, "the engine ended at once"
        except AssertionError as error:
            error.add_note(self.log("dockerd").read_text()[-3000:])
            raise

    def stop_engine(self) -> None:
        """Ask the engine to stop, and wait."""
        assert self._dockerd is not None
        self._dockerd.stop()
        self._dockerd = None

    def kill_engine(self) -> None:
        """Kill the engine with SIGKILL; the containers' shims live on."""
        assert self._dockerd is not None
        self._dockerd.kill(all_of_it=False)
        self._dockerd = None


def remove_cgroups(name: str) -> None:
    """Remove the control groups below ``name``, of which no process is left."""
    for group in [*Path("/sys/fs/cgroup").glob(name), *Path("/sys/fs/cgroup").glob(f"*/{name}")]:
        if group.is_symlink() or group.parent.is_symlink():
            continue
        for folder, _, _ in os.walk(group, topdown=False):
            Path(folder).rmdir()


def claim_folder() -> tuple[Path, TextIO]:
    """Return a folder of one's own below LAB, and what says so while it is open; folders of the killed are removed."""
    with _alone():
        _sweep()
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=LAB))
        lock = (folder / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        return folder, lock


@contextmanager
def _alone() -> Iterator[None]:
    """Keep others from sweeping a folder that is made and not locked yet."""
    with (LAB / f"{PREFIX}lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _sweep() -> None:
    """Remove folders whose owner was killed; a living owner holds the lock."""
    for folder in (path for path in LAB.glob(f"{PREFIX}*") if path.is_dir()):
        try:
            with (folder / "lock").open("w") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_cgroups(folder.name)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
