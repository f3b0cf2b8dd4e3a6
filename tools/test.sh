#!/bin/bash
# Runs every ring that can run here, in one go, so that there is one closing line. Only what is to run is prepared.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh unit
if [ "$(id -u)" -ne 0 ]; then
    echo 'test: not root: the kernel, engine, cluster and vm rings need namespaces, engines, servers and guests, and are skipped'
else
    rings=$(.venv/bin/python -m tests.rings "$@")
    # shellcheck disable=SC2086 # words
    tools/setup.sh $rings
    # Before the tests, so that a slow mirror is not a slow test; one that cannot be had is said there and skipped.
    if [[ " $rings " == *" engine "* ]]; then
        .venv/bin/python -m tests.engine.lab.engines
        tools/plugin.sh fetch
    fi
    if [[ " $rings " == *" vm "* ]]; then
        .venv/bin/python -m tests.vm.packages
    fi
    if [[ " $rings " == *" cluster "* ]]; then
        .venv/bin/python -m tests.cluster.consul
    fi
fi
# Whole runs are shared out; a short one would only wait for the workers to start.
share=()
if [ $# -eq 0 ] && [ "$(id -u)" -eq 0 ]; then
    share=(-n "$(($(nproc) < 4 ? $(nproc) : 4))" --no-loadscope-reorder)
fi
exec .venv/bin/python -m pytest "${share[@]}" "$@"
