#!/bin/bash
# Installs the system packages that are missing and makes .venv; a second run does nothing.
# tools/setup.sh [RING]... : only what those rings of tests need: unit, contract, kernel, engine, cluster, vm. Without words
# all but cluster, whose servers nothing else needs.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/record.sh
. tools/record.sh
rings=" ${*:-unit contract kernel engine} "

# package:command pairs; a package is installed when its command is not there
of_kernel=(busybox-static:busybox dnsmasq-base:dnsmasq iptables:iptables nftables:nft iproute2:ip tcpdump:tcpdump
    iputils-ping:ping procps:ps util-linux:nsenter)
of_lan=(isc-dhcp-server:dhcpd)  # a server that Debian would start
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
    if for_ring kernel || for_ring engine || for_ring cluster || for_ring vm; then
        lacking "${of_kernel[@]}"
        PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null | grep 'libnftables\.so\.1' >/dev/null || printf 'libnftables1\n'
    fi
    if for_ring engine; then lacking "${of_engine[@]}"; fi
    find_python >/dev/null || printf 'python3\npython3-venv\n'
}

missing_servers() {
    if for_ring kernel; then lacking "${of_lan[@]}"; fi
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

timed() {  # TEXT COMMAND...: says what begins, and how long it took where that was long
    local text=$1 start=$SECONDS
    shift
    echo "setup: $text"
    "$@"
    [ $((SECONDS - start)) -lt 3 ] || echo "setup:     took $((SECONDS - start)) s"
}

# Names that differ from Debian's in other distributions; "-" is in another package of the list.
# shellcheck disable=SC2034 # read through a name
{
declare -A of_fedora=([docker.io]=moby-engine [libnftables1]=nftables [iproute2]=iproute [iputils-ping]=iputils
    [iptables]=iptables-nft [procps]=procps-ng [busybox-static]=busybox [python3-venv]=- [etcd-server]=etcd
    [dnsmasq-base]=dnsmasq [isc-dhcp-server]=dhcp-server)
declare -A of_alpine=([docker.io]=docker [libnftables1]=nftables [iputils-ping]=iputils [procps]=procps-ng
    [util-linux]=util-linux-misc [python3-venv]=- [etcd-server]=etcd
    [dnsmasq-base]=dnsmasq [isc-dhcp-server]=dhcp)
declare -A of_arch=([docker.io]=docker [libnftables1]=nftables [iputils-ping]=iputils [iptables]=iptables-nft
    [procps]=procps-ng [busybox-static]=busybox [python3]=python [python3-venv]=- [etcd-server]=etcd
    [dnsmasq-base]=dnsmasq [isc-dhcp-server]=dhcp)
}

elsewhere() {  # the command that installs packages of Debian in another distribution; empty where it is not known
    local command family name words=()
    # shellcheck disable=SC1090 # a file of the machine
    case " $(. "${OS_RELEASE:-/etc/os-release}" && echo "${ID:-} ${ID_LIKE:-}") " in
        *" fedora "*) command='dnf install' family=of_fedora ;;
        *" alpine "*) command='apk add' family=of_alpine ;;
        *" arch "*) command='pacman -S' family=of_arch ;;
        *) return 0 ;;
    esac
    local -n names=$family
    for name in "$@"; do
        name=${names[$name]:-$name}
        [ "$name" = - ] || words+=("$name")
    done
    echo "$command ${words[*]}"
}

may_install() {  # whether the packages named can be installed; says which are missing where not
    [ "$#" -gt 0 ] || return 1
    if ! command -v apt-get >/dev/null; then
        local known
        known=$(elsewhere "$@")
        echo "setup: packages are installed by itself on Debian and Ubuntu only; by hand: ${known:-what Debian has as $*}" >&2
    elif [ "$(id -u)" -ne 0 ]; then
        echo "setup: not root, so only .venv is made; these packages stay missing: $*" >&2
    else
        return 0
    fi
    return 1
}

update_lists() {
    [ -z "${updated:-}" ] || return 0
    timed 'reading the package lists' apt-get update -qq
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

packages_here() { dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^ii *//p' | sort; }

apt_install() {
    local before
    before=$(packages_here)
    # Nobody is asked, so what debconf says about asking is no news.
    { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o APT::Status-Fd=3 "$@" \
        3>&1 >/dev/null 2> >(grep -v '^debconf: ' >&2); } | show_progress
    while read -r name; do note "package $name"; done < <(comm -13 <(echo "$before") <(packages_here))
}

install() {
    timed "installing $* (make clean-host takes them away)" apt_install "$@"
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
    [ -d /run/systemd/system ] || return 0
    if [[ " ${missing[*]} " == *" etcd-server "* ]]; then systemctl disable --quiet etcd || true; fi
    if [[ " ${missing[*]} " == *" isc-dhcp-server "* ]]; then systemctl disable --quiet isc-dhcp-server || true; fi
}

fill_venv() {
    .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
}

make_venv() {
    local stamp python
    stamp=.venv/.stamp-$(cat requirements-dev.lock setup.cfg pyproject.toml | sha256sum | cut -c1-16)
    [ -e "$stamp" ] && return 0
    python=$(find_python) || { echo 'setup: Python 3.11 or newer with venv is needed' >&2; exit 1; }
    rm -rf .venv
    timed "making .venv with $python" "$python" -m venv .venv
    note "folder $PWD/.venv"
    timed "installing $(grep -c '^[a-z].*==' requirements-dev.lock) Python packages into .venv" fill_venv
    touch "$stamp"
    echo "setup: ready after $SECONDS s"
}

install_packages
install_servers
make_venv
