#!/usr/bin/env bash
# Sets up what a target of the Makefile needs, and does nothing where it is there already.
#   bootstrap.sh run       virtual environment with what the product needs
#   bootstrap.sh dev       the same with the tools of tests and lint
#   bootstrap.sh browser   dev, and a Chromium
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "callboard: $*" >&2; exit 1; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local name
    for name in python3.13 python3.12 python3.11 python3; do
        if new_enough "$name"; then command -v "$name"; return; fi
    done
    return 1
}

apt_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    echo "callboard: installing $*" >&2
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -q -y --no-install-recommends "$@"; } >&2
}

venv_works() { new_enough .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; }

make_venv() {
    if venv_works; then return; fi
    local python
    python=$(find_python) || fail "Python 3.11 or newer is missing."
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        local package
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        apt_install "$package" || fail "$package is missing: apt-get install $package"
    fi
    echo "callboard: making .venv with $("$python" --version)" >&2
    "$python" -m venv --clear .venv || fail "the virtual environment could not be made."
}

# A stamp says which requirements are installed; those of `dev` contain those of `run`.
install() {
    local file=requirements/$1.txt stamp=.venv/.installed-$1 sum
    sum=$(sha256sum <"$file")
    if [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ]; then return; fi
    if [ "$1" = run ] && [ "$(cat .venv/.installed-dev 2>/dev/null)" = "$(sha256sum <requirements/dev.txt)" ]; then
        return
    fi
    echo "callboard: installing $file" >&2
    rm -f "$stamp"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r "$file" \
        || fail "the requirements could not be installed."
    echo "$sum" >"$stamp"
}

find_browser() {
    local name
    for name in chromium-headless-shell chromium chromium-browser google-chrome; do
        # Ubuntu's package of this name may be an empty hull that only asks for a snap.
        if command -v "$name" >/dev/null && "$name" --version >/dev/null 2>&1; then return; fi
    done
    return 1
}

make_browser() {
    if find_browser; then return; fi
    # Debian's Chromium without its windows; elsewhere the whole of it.
    apt_install chromium-headless-shell || apt_install chromium \
        || fail "Chromium is missing: apt-get install chromium"
    find_browser || fail "Chromium was installed but does not start."
}

case "${1:-}" in
run) make_venv; install run ;;
dev) make_venv; install dev ;;
browser) make_venv; install dev; make_browser ;;
*) fail "what to set up? run, dev or browser" ;;
esac
