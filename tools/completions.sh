#!/bin/bash
# Writes the completions of the shells into FOLDER (a /usr/share), where bash, zsh and fish find them.
set -euo pipefail
share=$1
command=$(dirname "$0")/../.venv/bin/pynet
write() { # SHELL FILE
    mkdir -p "$(dirname "$share/$2")"
    _PYNET_COMPLETE=$1_source "$command" >"$share/$2"
}
write bash bash-completion/completions/pynet
write zsh zsh/vendor-completions/_pynet
write fish fish/vendor_completions.d/pynet.fish
