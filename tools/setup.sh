#!/bin/bash
# Installs the system packages that are missing and makes .venv; a second run does nothing.
# With --servers also the servers of the cluster stores, which only the tests need.
set -euo pipefail
cd "$(dirname "$0")/.."

# package:command pairs; a package is installed when its command is not there
packages=(docker.io:dockerd iptables:iptables nftables:nft iproute2:ip busybox-static:busybox iputils-ping:ping
          curl:curl procps:ps util-linux:nsenter ca-certificates:update-ca-certificates)

missing_packages() {
    local pair
    for pair in "${packages[@]}"; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${pair#*:}" >/dev/null || printf '%s\n' "${pair%%:*}"
    done
    PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null | grep -q 'libnftables\.so\.1' || printf 'libnftables1\n'
    find_python >/dev/null || printf 'python3\npython3-venv\n'
}

add_what_only_the_index_knows() {  # names that differ by release, so they are looked up after apt-get update
    # From Debian 13 on the docker command is a package of its own.
    if ! command -v docker >/dev/null && [ -n "$(apt-cache search --names-only '^docker-cli$')" ]; then
        missing+=(docker-cli)
    fi
    # Ubuntu 22.04: python3 is 3.10, and 3.11 stands beside it.
    if [[ " ${missing[*]} " == *" python3-venv "* ]]; then
        local version
        version=$(apt-cache show python3 | sed -n 's/^Version: 3\.\([0-9]*\).*/\1/p' | sort -n | tail -n 1)
        [ "${version:-0}" -ge 11 ] || missing+=(python3.11 python3.11-venv)
    fi
}

find_python() {  # a Python of at least 3.11 that can make virtual environments
    local candidate
    for candidate in ${PYTHON:-} python3 /usr/bin/python3 /usr/bin/python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

install_servers() {  # without starting them, now or at boot
    local missing=() policy=/usr/sbin/policy-rc.d
    PATH=$PATH:/usr/sbin:/sbin command -v etcd >/dev/null || missing+=(etcd-server)
    [ -e /usr/share/java/zookeeper.jar ] || missing+=(zookeeper)
    [ "${#missing[@]}" -gt 0 ] || return 0
    echo "setup: installing ${missing[*]} for the tests"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    if [ ! -e "$policy" ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    if [ -d /run/systemd/system ] && [[ " ${missing[*]} " == *" etcd-server "* ]]; then
        systemctl disable --quiet etcd || true
    fi
}

install_packages() {
    mapfile -t missing < <(missing_packages)
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "setup: not root, so only .venv is made; these packages stay missing: ${missing[*]}" >&2
        return 0
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    add_what_only_the_index_knows
    echo "setup: installing ${missing[*]}"
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

make_venv() {
    local stamp python
    stamp=.venv/.stamp-$(cat requirements-dev.lock setup.cfg pyproject.toml | sha256sum | cut -c1-16)
    [ -e "$stamp" ] && return 0
    python=$(find_python) || { echo 'setup: Python 3.11 or newer with venv is needed' >&2; exit 1; }
    echo "setup: making .venv with $python"
    rm -rf .venv
    "$python" -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
    touch "$stamp"
}

if [ "${1:-}" = --servers ]; then
    install_servers
    exit 0
fi
install_packages
make_venv
