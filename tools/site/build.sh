#!/bin/bash
# Builds the documents as a site: tools/site/build.sh build (into build/site) or tools/site/build.sh serve.
# MkDocs and its theme are beside .venv, in build/docs, so that a machine that only runs pynet or its tests lacks them.
set -euo pipefail
cd "$(dirname "$0")/../.."
packages=build/docs/$(sha256sum requirements-docs.lock | cut -c1-16)
if [ ! -e "$packages" ]; then
    echo "docs: installing $(grep -c '^[a-z].*==' requirements-docs.lock) Python packages into build/docs"
    rm -rf build/docs
    .venv/bin/pip install --quiet --disable-pip-version-check --no-compile --require-hashes --only-binary :all: \
        --target "$packages.new" -r requirements-docs.lock
    mv "$packages.new" "$packages"
fi
# The theme prints an advertisement for its maker's next program unless it is told not to.
export NO_MKDOCS_2_WARNING=1 PYTHONPATH=$packages
exec .venv/bin/python -m mkdocs "$@"
