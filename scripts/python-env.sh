#!/usr/bin/env bash
# Makes target/venv with the Python packages of scripts/requirements.txt. Does nothing when it is
# there and made from the same list, so that it works offline later.
#
# Uses Debian's own Python, not another one that stands first in PATH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly PYTHON=/usr/bin/python3
readonly REQUIREMENTS=scripts/requirements.txt
readonly VENV="${CARGO_TARGET_DIR:-target}/venv"
readonly STAMP="$VENV/made-from"

say() { printf 'python-env: %s\n' "$*" >&2; }

if [ ! -x "$PYTHON" ]; then
  say "$PYTHON is missing; run scripts/install-packages.sh"
  exit 1
fi

# A moved folder counts as another one: the scripts of a venv know their place.
fingerprint() {
  {
    "$PYTHON" --version
    realpath "$VENV"
    cat "$REQUIREMENTS"
  } | sha256sum | cut -d ' ' -f 1
}

mkdir -p "$(dirname "$VENV")"
# Two runs at once, in the same tree: the second waits, and then finds it made.
exec 9>"$VENV.lock"
flock 9

wanted=$(fingerprint)
if [ -x "$VENV/bin/python" ] && [ "$(cat "$STAMP" 2>/dev/null)" = "$wanted" ]; then
  exit 0
fi

say "making $VENV"
rm -rf "$VENV"
"$PYTHON" -m venv "$VENV"
if ! "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
  --only-binary :all: --requirement "$REQUIREMENTS"; then
  say "pip could not install $REQUIREMENTS"
  exit 1
fi
"$VENV/bin/python" -m pip check --disable-pip-version-check >/dev/null
printf '%s\n' "$wanted" >"$STAMP"
