#!/usr/bin/env bash
# Installs the Debian packages that the tests need: the one list of them.
#
# Does nothing, and needs neither network nor rights, when all of them are there. Otherwise it needs
# root or sudo. The services themselves (PostgreSQL, Redis, Prometheus) are never used: the tests
# start private ones (scripts/with-services.sh), so no cluster is created and none is left running.
set -euo pipefail

# What for: building (gcc, libc6-dev, make, pkg-config); private services (postgresql-15,
# redis-server) and the test that they end (procps: pgrep); unit tests of the alert rules
# (prometheus: promtool); browser tests (chromium); independent OCPP peers (python3, python3-venv);
# a broker that controllers of sites talk to, and such controllers (mosquitto, mosquitto-clients);
# the load balancer before nodes (haproxy), and a certificate for it (openssl); wall clocks that jump
# (libfaketime).
readonly PACKAGES=(
  gcc libc6-dev make pkg-config
  postgresql-15 redis-server procps
  mosquitto mosquitto-clients
  haproxy openssl libfaketime
  prometheus
  chromium
  python3 python3-venv
)
# What their installation starts on a machine with systemd, and we do not use.
readonly SERVICES=(postgresql redis-server prometheus mosquitto haproxy)
readonly CREATE_CLUSTER=/etc/postgresql-common/createcluster.conf

say() { printf 'install-packages: %s\n' "$*" >&2; }

is_installed() {
  [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_packages() {
  local package
  for package in "${PACKAGES[@]}"; do
    is_installed "$package" || printf '%s\n' "$package"
  done
}

# Runs a command as root; finds out how before anything is changed.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo -- "$@"
  fi
}

require_rights() {
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    say "these packages are missing: $*"
    say "installing them needs root, and there is no sudo; run this as root: apt-get install $*"
    exit 1
  fi
}

# Without this the PostgreSQL package makes a cluster "main" and starts it on port 5432.
without_main_cluster() {
  # shellcheck disable=SC2016  # the inner shell expands its own $1
  as_root sh -c '
    mkdir -p "$(dirname "$1")"
    touch "$1"
    sed -i "/^[[:space:]]*create_main_cluster[[:space:]]*=/d" "$1"
    echo "create_main_cluster = false" >>"$1"
  ' sh "$CREATE_CLUSTER"
}

install_quietly() {
  local log
  log=$(mktemp)
  # The user's apt settings count, but for questions: there is nobody to answer them.
  if ! {
    as_root apt-get -qq -o DPkg::Lock::Timeout=300 update &&
      as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
        apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold \
        install --no-install-recommends "$@"
  } >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    say "apt-get could not install: $*"
    exit 1
  fi
  rm -f "$log"
}

# Only those that this run brought in: a service that was there before is somebody's.
stop_new_services() {
  [ -d /run/systemd/system ] || return 0
  local service
  for service in "$@"; do
    as_root systemctl --quiet disable --now "$service" || say "could not stop the service $service; it is not needed"
  done
}

main() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "this is not a Debian system; install the equivalents of: ${PACKAGES[*]}"
    exit 1
  fi
  local missing=() new_services=() service
  mapfile -t missing < <(missing_packages)
  if [ "${#missing[@]}" -eq 0 ]; then
    return 0
  fi
  require_rights "${missing[@]}"
  for service in "${SERVICES[@]}"; do
    case " ${missing[*]} " in
      *" $service "* | *" $service-15 "*) new_services+=("$service") ;;
    esac
  done

  say "installing ${missing[*]}"
  case " ${missing[*]} " in
    *" postgresql-15 "*) without_main_cluster ;;
  esac
  install_quietly "${missing[@]}"
  stop_new_services "${new_services[@]}"

  mapfile -t missing < <(missing_packages)
  if [ "${#missing[@]}" -ne 0 ]; then
    say "apt-get succeeded, but these packages are still missing: ${missing[*]}"
    exit 1
  fi
}

main "$@"
