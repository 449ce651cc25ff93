#!/bin/sh
# Install what the Docker tests start themselves, and what is named as command:package beside it.
# Only on Debian, only as root, only what is missing.
# Never starts, stops or configures a service: policy-rc.d keeps a package from starting its own.
set -eu
missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
PATH="$PATH:/usr/sbin:/sbin"
need dockerd docker.io
need ip iproute2
need nft nftables
need iptables iptables
need busybox busybox-static
need crun crun
need mkfs.ext4 e2fsprogs
need redis-server redis-server
need curl curl
need wireguard-go wireguard-go
for pair in "$@"; do need "${pair%%:*}" "${pair#*:}"; done
# The chaos campaign's clocks; a library and no command, so it is looked for where Debian puts it.
ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || missing="$missing libfaketime"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "engine: missing$missing; install them, or as root on Debian: make engine bench-peers" >&2
    exit 0
fi
echo "engine: installing$missing"
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq
# shellcheck disable=SC2086  # a list of words
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
