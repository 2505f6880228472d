#!/usr/bin/env bash
# The money run: a crowd charges while the node is killed with `kill -9` again and again, and an oracle counts what was
# acknowledged, billed and taken. First on SQLite, then on a private PostgreSQL that is killed too.
#
#   scripts/chaos.sh [ARGUMENT...]     arguments go to `ringmain-loadtest chaos`, such as --rounds 3 or --seed 7
#
# Reports are written to target/chaos/{sqlite,postgres}.json; the exit code tells whether both were clean.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TARGET="${CARGO_TARGET_DIR:-target}"
readonly PLAN=loadtest/plans/money.toml

build() {
  cargo build --release -p ringmain-gateway -p ringmain-loadtest
  mkdir -p "$TARGET/chaos"
}

#   run STORE ARGUMENT...
run() {
  local store=$1
  shift
  "$TARGET/release/ringmain-loadtest" chaos --plan "$PLAN" --node "$TARGET/release/ringmain" --store "$store" \
    --json "$TARGET/chaos/$store.json" "$@"
}

main() {
  local result=0
  build
  # The second store is tried even when the first one failed.
  run sqlite "$@" || result=1
  run postgres "$@" || result=1
  return "$result"
}

main "$@"
