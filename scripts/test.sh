#!/usr/bin/env bash
# What `make test` runs: everything CI runs. One function per step; every step runs even when one
# before it failed, so that one run tells all. The last line of the output is `N passed, N failed`,
# the sum over cargo's `test result:` lines; the exit code also counts the steps that are no tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TARGET="${CARGO_TARGET_DIR:-target}"
readonly LOG="$TARGET/test.log"
readonly PYTHON=/usr/bin/python3

# In CI a lock file that does not fit the manifests is an error; at the desk cargo mends it.
locked=()
if [ "${CI:-}" = true ]; then locked=(--locked); fi

failed_steps=()

# === the frame ===

#   step NAME COMMAND...
step() {
  local name=$1 start=$SECONDS
  shift
  printf '\n=== %s\n' "$name"
  if "$@"; then
    printf '=== %s: ok (%d s)\n' "$name" $((SECONDS - start))
  else
    printf '=== %s: FAILED (%d s)\n' "$name" $((SECONDS - start))
    failed_steps+=("$name")
  fi
}

# The steps that prepare are worth no continuation: what follows would fail for their reason.
required_step() {
  step "$@"
  if [ "${#failed_steps[@]}" -ne 0 ]; then exit 1; fi
}

# === the steps ===

formatting() { cargo fmt --all --check; }

lints() { cargo clippy --workspace --all-targets "${locked[@]}" -- -D warnings; }

# A workspace build unifies features and so hides a dependency that a crate forgot to name.
crates_alone() {
  local crate crates
  crates=$(cargo metadata --no-deps --format-version 1 "${locked[@]}" |
    "$PYTHON" -c 'import json, sys; print("\n".join(p["name"] for p in json.load(sys.stdin)["packages"]))') || return 1
  for crate in $crates; do
    cargo check --quiet --package "$crate" "${locked[@]}" || return 1
    printf '%s compiles alone\n' "$crate"
  done
}

# Rules that break at run time or on another machine, far from the line that broke them.
dependencies() {
  local tree
  tree=$(cargo tree --workspace --edges normal,build,dev,features --prefix none "${locked[@]}") || return 1
  local result=0
  forbid "$tree" '^ring v' 'ring: a second crypto provider' || result=1
  forbid "$tree" '^openssl-sys v|^native-tls v' 'OpenSSL: a second TLS library' || result=1
  forbid "$tree" '^serde_json feature "arbitrary_precision"' \
    'serde_json arbitrary_precision: it breaks untagged enums and flatten for the whole build' || result=1
  if command -v cargo-deny >/dev/null; then
    # The advisories need a database from the network: a job of their own.
    cargo deny --offline check licenses bans sources || result=1
  else
    printf 'cargo-deny is not installed: licences and sources are not checked here\n'
  fi
  return "$result"
}

#   forbid TREE PATTERN WHY
forbid() {
  local found
  if found=$(grep --extended-regexp --max-count=1 -- "$2" <<<"$1"); then
    printf 'in the dependency tree: %s (%s)\n' "$found" "$3"
    return 1
  fi
}

# Somebody else's prices for the differential test. Its lock file and its features are its own.
pricing_oracle() {
  cargo build --quiet --manifest-path roaming/oracle/Cargo.toml --target-dir "$TARGET/oracle" --locked &&
    cargo fmt --manifest-path roaming/oracle/Cargo.toml --check
}

# The output of tests that pass is shown too: that is where a ring tells that it did not run.
tests() {
  RINGMAIN_PRICING_ORACLE="$(realpath "$TARGET")/oracle/debug/ringmain-pricing-oracle" \
    cargo test --workspace --no-fail-fast "${locked[@]}" -- --show-output 2>&1 | tee "$LOG"
}

# With services at hand a ring that prints SKIPPED has tested nothing, and nobody would notice.
no_ring_skipped() {
  if grep --line-number --word-regexp SKIPPED "$LOG"; then
    printf 'a ring of tests was skipped: see the lines above, from %s\n' "$LOG"
    return 1
  fi
}

documentation() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps "${locked[@]}"; }

grafana() {
  promtool check config grafana/prometheus.yml &&
    promtool check rules grafana/alerts.yml &&
    promtool test rules grafana/alerts_test.yml &&
    "$PYTHON" scripts/check-grafana.py
}

# How it is run elsewhere, and how much of everything that takes.
deploy() {
  scripts/check-deploy.sh && "$PYTHON" scripts/capacity.py --check
}

shell_scripts() {
  local script
  for script in .ci/run scripts/*.sh deploy/compose/*.sh; do
    bash -n "$script" || return 1
  done
  if command -v shellcheck >/dev/null; then
    shellcheck .ci/run scripts/*.sh deploy/compose/*.sh || return 1
  fi
  scripts/prove-tests.sh --check && scripts/with-services-test.sh
}

# === the order ===

prepare() {
  required_step "packages" scripts/install-packages.sh
  required_step "python environment" scripts/python-env.sh
  exec scripts/with-services.sh scripts/test.sh --with-services
}

check() {
  mkdir -p "$TARGET"
  : >"$LOG"
  step "formatting" formatting
  step "lints" lints
  step "each crate alone" crates_alone
  step "dependencies" dependencies
  step "pricing oracle" pricing_oracle
  step "tests" tests
  step "no ring skipped" no_ring_skipped
  step "documentation" documentation
  step "grafana" grafana
  step "deploy" deploy
  step "shell scripts" shell_scripts
  summary
}

summary() {
  printf '\n'
  local result=0
  if [ "${#failed_steps[@]}" -ne 0 ]; then
    result=1
    local IFS=,
    printf 'steps that failed: %s\n' "${failed_steps[*]}"
  fi
  # `test result: ok. 5 passed; 0 failed; ...`, with or without colours.
  sed 's/\x1b\[[0-9;]*m//g' "$LOG" | awk '
    /^test result: / { passed += $4; failed += $6 }
    END { printf "%d passed, %d failed\n", passed, failed }
  '
  return "$result"
}

case "${1:-}" in
  "") prepare ;;
  --with-services) check ;;
  *)
    printf 'usage: scripts/test.sh\n' >&2
    exit 64
    ;;
esac
