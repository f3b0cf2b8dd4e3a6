#!/bin/bash
# Builds dist/pynet-VERSION-py3-none-any.whl with the locked setuptools of .venv; the same commit gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 315532800)  # zip begins in 1980
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A copy, because setuptools writes beside its sources and takes up what an earlier build left there.
cp -r cli handlers plugin netlink setup.cfg pyproject.toml README.md LICENSE "$work"
find "$work" -name __pycache__ -prune -exec rm -rf {} +
.venv/bin/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist "$work"
ls dist/pynet-*.whl
