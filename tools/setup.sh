#!/bin/bash
# Installs the system packages that are missing and makes .venv; a second run does nothing.
# tools/setup.sh [RING]... : only what those rings of tests need: unit, contract, kernel, engine, cluster. Without words
# all but cluster, whose servers nothing else needs.
set -euo pipefail
cd "$(dirname "$0")/.."
rings=" ${*:-unit contract kernel engine} "

# package:command pairs; a package is installed when its command is not there
of_kernel=(iptables:iptables nftables:nft iproute2:ip iputils-ping:ping procps:ps util-linux:nsenter)
of_engine=(docker.io:dockerd busybox-static:busybox curl:curl ca-certificates:update-ca-certificates)
of_cluster=(etcd-server:etcd openssl:openssl)

for_ring() { [[ "$rings" == *" $1 "* ]]; }

lacking() {  # of package:command pairs
    local pair
    for pair in "$@"; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${pair#*:}" >/dev/null || printf '%s\n' "${pair%%:*}"
    done
}

missing_packages() {
    if for_ring kernel || for_ring engine || for_ring cluster; then
        lacking "${of_kernel[@]}"
        PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null | grep -q 'libnftables\.so\.1' || printf 'libnftables1\n'
    fi
    if for_ring engine; then lacking "${of_engine[@]}"; fi
    find_python >/dev/null || printf 'python3\npython3-venv\n'
}

missing_servers() {
    for_ring cluster || return 0
    lacking "${of_cluster[@]}"
    [ -e /usr/share/java/zookeeper.jar ] || printf 'zookeeper\n'
}

add_what_only_the_index_knows() {  # names that differ by release, so they are looked up after apt-get update
    # From Debian 13 on the docker command is a package of its own.
    if for_ring engine && ! command -v docker >/dev/null && [ -n "$(apt-cache search --names-only '^docker-cli$')" ]; then
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

may_install() {  # whether the packages named can be installed; says which are missing where not
    [ "$#" -gt 0 ] || return 1
    if ! command -v apt-get >/dev/null; then
        echo "setup: this machine has no apt-get; install by hand what these packages of Debian have: $*" >&2
    elif [ "$(id -u)" -ne 0 ]; then
        echo "setup: not root, so only .venv is made; these packages stay missing: $*" >&2
    else
        return 0
    fi
    return 1
}

update_lists() {
    [ -z "${updated:-}" ] || return 0
    echo 'setup: reading the package lists'
    apt-get update -qq
    updated=yes
}

show_progress() {  # of the status lines of apt-get (APT::Status-Fd): kind:what:percent:text
    local kind percent shown=
    while IFS=: read -r kind _ percent _; do
        case $kind in dlstatus) kind=downloaded ;; pmstatus) kind=installed ;; *) continue ;; esac
        percent=$((${percent%%.*} / 25 * 25))
        [ "$percent" -gt 0 ] && [ "$kind$percent" != "$shown" ] || continue
        shown=$kind$percent
        echo "setup: $kind $percent % of the packages"
    done
}

install() {
    echo "setup: installing $*"
    # Nobody is asked, so what debconf says about asking is no news.
    { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o APT::Status-Fd=3 "$@" \
        3>&1 >/dev/null 2> >(grep -v '^debconf: ' >&2); } | show_progress
}

install_packages() {
    local missing
    mapfile -t missing < <(missing_packages)
    may_install "${missing[@]}" || return 0
    update_lists
    add_what_only_the_index_knows
    install "${missing[@]}"
}

install_servers() {  # without starting them, now or at boot
    local missing policy=/usr/sbin/policy-rc.d
    mapfile -t missing < <(missing_servers)
    may_install "${missing[@]}" || return 0
    update_lists
    if [ ! -e "$policy" ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    install "${missing[@]}"
    if [ -d /run/systemd/system ] && [[ " ${missing[*]} " == *" etcd-server "* ]]; then
        systemctl disable --quiet etcd || true
    fi
}

make_venv() {
    local stamp python
    stamp=.venv/.stamp-$(cat requirements-dev.lock setup.cfg pyproject.toml | sha256sum | cut -c1-16)
    [ -e "$stamp" ] && return 0
    python=$(find_python) || { echo 'setup: Python 3.11 or newer with venv is needed' >&2; exit 1; }
    echo "setup: making .venv with $python"
    rm -rf .venv
    "$python" -m venv .venv
    echo "setup: installing $(grep -c '^[a-z].*==' requirements-dev.lock) Python packages into .venv"
    .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
    touch "$stamp"
    echo "setup: ready after $SECONDS s"
}

install_packages
install_servers
make_venv
