#!/bin/bash
# Runs every ring that can run here, in one go, so that there is one closing line.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" -ne 0 ]; then
    echo 'test: not root: the kernel and engine rings need network namespaces and engines, and are skipped'
fi
exec .venv/bin/python -m pytest "$@"
