#!/bin/bash
# Builds the managed plugin and gives it to the engine; needs the engine, Python and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin:/sbin
find_python() {  # the distribution's own first: a base that is made from packages has the same
    local candidate
    for candidate in /usr/bin/python3 python3; do
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$candidate" && return
    done
    return 1
}
if ! find_python >/dev/null && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 >/dev/null
fi
python=$(find_python) || { echo 'plugin: Python 3.11 or newer is needed' >&2; exit 1; }
"$python" -m tools.plugin "$@"
case "${1:-install}" in  # the commands come to the host with the plugin, and go with it
install) tools/commands.sh ;;
remove) tools/commands.sh remove ;;
esac
