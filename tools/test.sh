#!/bin/bash
# Runs every ring that can run here, in one go, so that there is one closing line.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" -ne 0 ]; then
    echo 'test: not root: the kernel, engine and cluster rings need namespaces, engines and servers, and are skipped'
else
    tools/setup.sh --servers
    # Before the tests, so that a slow mirror is not a slow test; one that cannot be had is said there and skipped.
    .venv/bin/python -m tests.engine.lab.engines
    tools/plugin.sh fetch
fi
exec .venv/bin/python -m pytest "$@"
