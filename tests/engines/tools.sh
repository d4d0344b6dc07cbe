#!/bin/sh
# What the engine tests need of the machine: Chromium and npm. Whoever is root on Debian or Ubuntu gets them installed.
set -eu
missing=
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
    missing=chromium
command -v npm >/dev/null || missing="$missing nodejs npm"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "make test-engines needs these, and may not install them here: $missing" >&2
    exit 1
fi
apt-get update -qq
# shellcheck disable=SC2086  several packages
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $missing >/dev/null
