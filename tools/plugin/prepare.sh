#!/bin/sh
# Runs in the base image: installs what it lacks. A base that was made from packages (base.py) lacks nothing.
set -eu
there() { for file in "$@"; do [ -e "$file" ] || return 1; done; }
there /etc/protocols /usr/bin/python3 /usr/share/python-wheels/pip-*.whl /usr/lib/*/libnftables.so.1 && exit 0
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3 libnftables1 netbase python3-pip-whl
