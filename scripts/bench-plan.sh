#!/usr/bin/env bash
# Judges the planner by the external benchmark: one-shot problems with known answers, then replays with the reference rules in
# the same run. What it takes is told by loadtest/charging/bench.py --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TARGET="${CARGO_TARGET_DIR:-target}"

scripts/python-env.sh
cargo build --release -p ringmain-gateway
exec "$TARGET/venv/bin/python" -B loadtest/charging/bench.py --ringmain "$TARGET/release/ringmain" "$@"
