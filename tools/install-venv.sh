#!/bin/sh
# Debian keeps Python's venv module in a package of its own: install it as root, or say what is missing.
set -eu
"$1" -c 'import ensurepip' 2>/dev/null && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: $1 cannot make virtual environments; as root on Debian: apt-get install python3-venv" >&2
    exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
