#!/usr/bin/env bash
# Checks the recipes in deploy/ with the programs they are for, with schemas, and with rules of our own (check-deploy.py). Seconds.
#
#   scripts/check-deploy.sh [--prove]     --prove: break each recipe in a copy, one way after the other; each must be noticed
#
# Needs scripts/install-packages.sh and scripts/python-env.sh, which `make test` runs first. What cannot be checked here is told as
# SKIPPED with the reason, and never silently.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TARGET="${CARGO_TARGET_DIR:-target}"
readonly PYTHON="$TARGET/venv/bin/python"
# The newest of what is built: the tests before this step leave the first.
BINARY=
FOLDER=

skipped() { printf 'SKIPPED %s: %s\n' "$1" "$2"; }

# Quiet when it succeeds.
#   quietly COMMAND...
quietly() {
  local output
  output=$("$@" 2>&1) || {
    printf '%s\n' "$output"
    return 1
  }
}

# === one recipe each, in the folder that is given ===

haproxy_recipe() {
  local deploy=$1
  if ! command -v haproxy >/dev/null; then
    skipped haproxy "haproxy is not installed"
    return
  fi
  # -dW: a warning is an error. Names of nodes are looked up at the start, so they are addresses here.
  local variables=(
    RINGMAIN_NODE_1=127.0.0.1 RINGMAIN_NODE_2=127.0.0.2 RINGMAIN_NODE_3=127.0.0.3
    RINGMAIN_HTTPS_PEM="$FOLDER/people.pem" RINGMAIN_MAXCONN=1000
  )
  quietly env "${variables[@]}" haproxy -dW -c -f "$deploy/haproxy/haproxy.cfg" &&
    quietly env "${variables[@]}" haproxy -dW -c -f "$deploy/haproxy/haproxy.cfg" -f "$deploy/haproxy/privileges.cfg" &&
    old_stations "$deploy" "${variables[@]}"
}

# The sections for old stations are comments: they must be right when somebody needs them.
old_stations() {
  local deploy=$1
  shift
  sed -e '/^# frontend stations_legacy/,/^$/s/^# \{0,1\}//' -e "s#/etc/haproxy/stations-legacy.pem#$FOLDER/people.pem#" \
    "$deploy/haproxy/haproxy.cfg" >"$FOLDER/legacy.cfg"
  grep -q '^frontend stations_legacy' "$FOLDER/legacy.cfg" && quietly env "$@" haproxy -dW -c -f "$FOLDER/legacy.cfg"
}

systemd_recipe() {
  local deploy=$1 units=$FOLDER/units
  "$PYTHON" -B scripts/check-deploy.py systemd "$deploy" || return 1
  check_config "$deploy/systemd/ringmain.toml" || return 1
  if ! command -v systemd-analyze >/dev/null; then
    skipped "systemd units" "systemd-analyze is not installed"
    return
  fi
  rm -rf "$units"
  mkdir "$units"
  cp "$deploy"/systemd/*.service "$units"
  # A template is checked as an instance; the binary need not be installed here.
  mv "$units/ringmain@.service" "$units/ringmain@node-1.service"
  sed -i 's#/usr/local/bin/ringmain#/bin/true#' "$units"/*.service
  local said
  said=$(systemd-analyze verify --man=no "$units"/*.service 2>&1) || true
  # It complains of units that other packages left behind, too: only ours count.
  if said=$(grep -F -e "$units" -e ringmain <<<"$said"); then
    printf '%s\n' "$said"
    return 1
  fi
  # 0 is safe and 100 is exposed, in tenths; 14 when this was written.
  local unit
  for unit in "$units"/*.service; do
    quietly systemd-analyze security --offline=true --no-pager --threshold=20 "$unit" || return 1
  done
}

compose_recipe() {
  local deploy=$1
  "$PYTHON" -B scripts/check-deploy.py compose "$deploy" || return 1
  quietly bash -n "$deploy/compose/prepare.sh" || return 1
  if command -v promtool >/dev/null; then
    cp "$deploy/compose/prometheus.yml" grafana/alerts.yml "$FOLDER"
    quietly promtool check config "$FOLDER/prometheus.yml" || return 1
  else
    skipped "compose/prometheus.yml" "promtool is not installed"
  fi
  prepare_secrets "$deploy"
}

# prepare.sh makes every file that compose.yaml names.
prepare_secrets() {
  local deploy=$1 copy=$FOLDER/prepared file
  if [ -z "$BINARY" ]; then
    skipped "compose/prepare.sh" "ringmain is not built"
    return
  fi
  rm -rf "$copy"
  mkdir "$copy"
  cp "$deploy/compose/prepare.sh" "$deploy/compose/compose.yaml" "$copy"
  quietly env RINGMAIN="$BINARY" "$copy/prepare.sh" localhost csms.example.org || return 1
  while read -r file; do
    [ -s "$copy/$file" ] || {
      printf 'compose/prepare.sh does not make %s\n' "$file"
      return 1
    }
  done < <(sed -n 's/.*{ file: \.\/\(.*\) }/\1/p' "$copy/compose.yaml")
}

kubernetes_recipe() {
  local deploy=$1
  "$PYTHON" -B scripts/check-deploy.py kubernetes "$deploy" || return 1
  # The configuration of the nodes, by the node itself. Its secrets are where they are in a pod: not here.
  sed -n '/^  ringmain.toml: |/,$p' "$deploy/kubernetes/config.yaml" | sed -e 1d -e 's/^    //' -e '/"file:/d' >"$FOLDER/kubernetes.toml"
  check_config "$FOLDER/kubernetes.toml" || return 1
  if command -v kubectl >/dev/null; then
    quietly kubectl kustomize "$deploy/kubernetes"
  else
    printf 'kubectl is not installed: kustomization.yaml is checked by its schema alone\n'
  fi
}

#   check_config FILE: what the binary itself says of it
check_config() {
  if [ -z "$BINARY" ]; then
    skipped "$1" "ringmain is not built"
    return
  fi
  # Files of the cluster's certificates are named, not read.
  quietly env RINGMAIN_CLUSTER__CA=ca.pem RINGMAIN_CLUSTER__CERTIFICATE=node.pem RINGMAIN_CLUSTER__KEY=node.key \
    "$BINARY" check-config --config "$1"
}

# === proof ===

# Each line breaks one recipe: RECIPE FILE SED-SCRIPT.
readonly BREAKAGES='
haproxy haproxy/haproxy.cfg s/balance source/balance sauce/
haproxy haproxy/haproxy.cfg s/default_backend nodes_wss/default_backend nobody/
haproxy haproxy/haproxy.cfg s/#     balance source/#     balance sauce/
haproxy haproxy/privileges.cfg s/user haproxy/user nobody-of-that-name/
systemd systemd/ringmain@.service s/TimeoutStopSec=300/TimeoutStopSec=90/
systemd systemd/ringmain@.service s/ProtectSystem=strict/ProtectSystem=true/
systemd systemd/ringmain@.service s/^LoadCredential=pepper:.*//
systemd systemd/ringmain@.service s/RINGMAIN_CLUSTER__NODE/RINGMAIN_CLUSTER__NAME/
systemd systemd/ringmain@.service s/^RestartSec=2/RestartSec=soon/
systemd systemd/ringmain-migrate.service s/^PrivateDevices=yes/PrivateDevice=yes/
systemd systemd/ringmain.toml s/proxies = .*/proxies = "10.0.0.1\/8"/
compose compose/compose.yaml s/stop_grace_period: 5m/stop_grace_period: 2m/
compose compose/compose.yaml s/restart: unless-stopped/restart: perhaps/
compose compose/compose.yaml s/    - pepper$/    - paper/
compose compose/compose.yaml s/PROXIES: 172.30.7.10/PROXIES: 172.30.7.11/
compose compose/compose.yaml s/RINGMAIN_LOG__FORMAT/RINGMAIN_LOGS__FORMAT/
compose compose/Dockerfile s/^USER .*/USER root/
compose compose/prometheus.yml s/static_configs/statical_configs/
compose compose/prepare.sh s/once pepper/once paper/
compose compose/roles.sh s/CREATE ROLE ringmain_app/CREATE ROLE ringmain_nodes/
kubernetes kubernetes/nodes.yaml s/serviceName: ringmain-nodes/serviceNames: ringmain-nodes/
kubernetes kubernetes/nodes.yaml s/terminationGracePeriodSeconds: 330/terminationGracePeriodSeconds: 60/
kubernetes kubernetes/nodes.yaml s/port: ops }/port: oops }/
kubernetes kubernetes/nodes.yaml s/maxUnavailable: 1/maxUnavailable: [1]/
kubernetes kubernetes/nodes.yaml s/runAsNonRoot: true/runAsNonRoot: false/
kubernetes kubernetes/network.yaml s/component: haproxy }/component: hproxy }/
kubernetes kubernetes/config.yaml s/drain_s = 120/drains_s = 120/
kubernetes kubernetes/kustomization.yaml s/  - network.yaml//
'

prove() {
  local recipe file script copy=$FOLDER/broken escaped=0 said
  while read -r recipe file script; do
    [ -n "$recipe" ] || continue
    rm -rf "$copy"
    cp -r deploy "$copy"
    sed -i "$script" "$copy/$file"
    if cmp -s "deploy/$file" "$copy/$file"; then
      printf 'ESCAPED  %s: %s changes nothing any more\n' "$file" "$script"
      escaped=1
    elif said=$("${recipe}_recipe" "$copy"); then
      # Where the program that would notice is not installed, nothing is proved.
      if [[ $said == *SKIPPED* ]]; then skipped "$file: $script" "${said#SKIPPED }"; else
        printf 'ESCAPED  %s: %s\n' "$file" "$script"
        escaped=1
      fi
    else
      printf 'noticed  %s: %s: %s\n' "$file" "$script" "$(tail -n 1 <<<"$said" | cut -c 1-120)"
    fi
  done <<<"$BREAKAGES"
  return "$escaped"
}

# === the order ===

prepare() {
  local built variable
  # Variables of a test run are unknown keys to the binary.
  for variable in "${!RINGMAIN_@}"; do unset "$variable"; done
  FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/ringmain-deploy.XXXXXX")
  trap 'rm -rf "$FOLDER"' EXIT
  [ -x "$PYTHON" ] || scripts/python-env.sh
  for built in "$TARGET/debug/ringmain" "$TARGET/release/ringmain"; do
    if [ -x "$built" ] && { [ -z "$BINARY" ] || [ "$built" -nt "$BINARY" ]; }; then BINARY=$(realpath "$built"); fi
  done
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=people \
    -keyout "$FOLDER/people.key" -out "$FOLDER/people.crt" 2>/dev/null
  cat "$FOLDER/people.crt" "$FOLDER/people.key" >"$FOLDER/people.pem"
}

main() {
  local result=0 recipe
  prepare
  case "${1:-}" in
    --prove)
      prove
      return
      ;;
    "") ;;
    *)
      printf 'usage: scripts/check-deploy.sh [--prove]\n' >&2
      return 64
      ;;
  esac
  for recipe in haproxy systemd compose kubernetes; do
    if "${recipe}_recipe" deploy; then
      printf 'deploy/%s is in order\n' "$recipe"
    else
      printf 'deploy/%s is WRONG, see above\n' "$recipe"
      result=1
    fi
  done
  return "$result"
}

main "$@"
