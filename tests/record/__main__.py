"""``make record ENGINE=28.5``: record the requests of a real engine, as data of the contract ring."""

import shlex
import sys
from pathlib import Path

from tests.engine.lab import image, service
from tests.engine.lab.engines import obtain
from tests.engine.lab.host import REPOSITORY, Host
from tests.engine.lab.process import wait_until
from tests.engine.lab.shell import CommandFailed
from tests.record.compact import compact
from tests.record.scenarios import SCENARIOS

TRACES = REPOSITORY / "tests/contract/traces"
REAL = "/run/docker/plugins/real.sock"
SEEN = "/run/docker/plugins/pynet.sock"


def record(label: str) -> None:
    """Run every scenario on the engine ``label`` and write its requests."""
    with Host(obtain(label)) as host:
        host.start_engine()
        image.load(host.docker)
        plugin = service.Plugin(host, "real", service.PYNET, {"PYNET_SOCKET": REAL, "PYNET_GATEWAY_CHECK": "on"})
        plugin.start()
        recording = host.log("recording")
        python = str(REPOSITORY / ".venv/bin/python")
        inside = f"/export/{recording.name}"
        host.spawn("proxy", "env", f"PYTHONPATH={REPOSITORY}", python, "-m", "tests.record.proxy", SEEN, REAL, inside)
        wait_until(host.path(SEEN).exists, "the recorder to listen")
        for scenario in SCENARIOS:
            try:
                host.docker(*shlex.split(scenario.replace("IMAGE", image.NAME)))
            except CommandFailed as failure:
                print(f"docker {scenario}: {failure.stderr.strip().splitlines()[-1]}")
        count = compact(recording, TRACES / f"engine-{label}.jsonl")
        print(f"engine {label}: {count} requests of different shape")
        plugin.stop()


if __name__ == "__main__":
    Path(TRACES).mkdir(exist_ok=True)
    for wanted in sys.argv[1:]:
        record(wanted)
