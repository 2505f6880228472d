#!/usr/bin/env bash
# Proves that the fault cases can fail: plants one bug after the other in a copy of the last commit and runs them. Each bug must be
# caught, and the copy without a bug acquitted. Some minutes; needs no service started by hand.
#
#   scripts/prove-tests.sh [--check]     --check: only that the bugs can still be planted
#
# A bug is gateway/tests/planted/NAME.patch: a line that says what it does, lines `must fail: TEST`, the patch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly BUGS=gateway/tests/planted
# The tests that must catch them: the cases of the reliability table, kill -9 at every step, and two sockets of one station at several nodes.
readonly CASES=(scenarios:: crash:: failover:: faults:: cluster::sockets:: cluster_chaos::of_two_sockets)
# Of its own: cargo would take the copy's crates for ours.
TARGET=$(realpath -m "${CARGO_TARGET_DIR:-target}")/planted
readonly TARGET
COPY=
RESULTS=

clean_up() {
  [ -z "$COPY" ] || git worktree remove --force "$COPY"
  [ -z "$RESULTS" ] || rm -rf "$RESULTS"
}

check() {
  local bug
  for bug in "$BUGS"/*.patch; do
    git apply --check "$bug" || {
      printf '%s cannot be planted any more: bring it up to date\n' "$bug" >&2
      return 1
    }
    grep -q '^must fail: ' "$bug" || {
      printf '%s names no test that must fail\n' "$bug" >&2
      return 1
    }
  done
}

#   cases LOG: runs the cases in the copy; the names of those that failed go to LOG.failed
cases() {
  local log=$1 result=0
  (
    cd "$COPY"
    export CARGO_TARGET_DIR="$TARGET"
    cargo test --quiet --locked -p ringmain-gateway --test it --no-run
  ) || {
    printf 'the copy does not build\n' >&2
    exit 1
  }
  (
    cd "$COPY"
    CARGO_TARGET_DIR="$TARGET" scripts/with-services.sh \
      cargo test --locked -p ringmain-gateway --test it --no-fail-fast -- "${CASES[@]}"
  ) >"$log" 2>&1 || result=$?
  sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log" >"$log.failed"
  return "$result"
}

main() {
  check
  if [ "${1:-}" = --check ]; then
    return
  fi
  local bug name missing escaped=0
  trap clean_up EXIT
  RESULTS=$(mktemp -d "${TMPDIR:-/tmp}/ringmain-planted.XXXXXX")
  COPY="$RESULTS/copy"
  git worktree add --quiet --detach "$COPY" HEAD
  cases "$RESULTS/honest" || {
    tail -n 50 "$RESULTS/honest"
    printf 'without a bug the cases fail: nothing is proved\n'
    return 1
  }
  printf 'acquitted  the last commit, by %s tests\n' "$(grep -c '^test .* ok$' "$RESULTS/honest")"
  for bug in "$BUGS"/*.patch; do
    name=$(basename "$bug" .patch)
    git -C "$COPY" apply "$PWD/$bug"
    cases "$RESULTS/$name" || true
    missing=$(sed -n 's/^must fail: //p' "$bug" | sort | comm -23 - <(sort "$RESULTS/$name.failed"))
    if [ -n "$missing" ]; then
      printf 'ESCAPED    %s: these passed: %s\n' "$name" "${missing//$'\n'/, }"
      escaped=1
    else
      printf 'caught     %s, by %s tests\n' "$name" "$(wc -l <"$RESULTS/$name.failed")"
    fi
    git -C "$COPY" apply --reverse "$PWD/$bug"
  done
  return "$escaped"
}

main "$@"
