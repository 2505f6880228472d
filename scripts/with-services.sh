#!/usr/bin/env bash
# Runs a command with a PostgreSQL and a Redis of its own, and leaves nothing behind.
#
#   scripts/with-services.sh COMMAND [ARGUMENT...]
#
# Both listen on free ports of 127.0.0.1 and keep their files in a temporary folder. The command finds
# them in RINGMAIN_TEST_POSTGRES and RINGMAIN_TEST_REDIS; its exit code is the exit code here. The role
# `ringmain` owns the database `ringmain` and may create databases and roles, but is no superuser:
# row-level security counts for it as in production.
set -euo pipefail

# Debian's server, whatever else stands first in PATH.
readonly POSTGRES_BIN=/usr/lib/postgresql/15/bin
readonly READY_DEADLINE_S=60
readonly STOP_DEADLINE_S=30
# Below the ports that the kernel hands out by itself (32768 and up).
readonly PORT_FIRST=15000
readonly PORT_COUNT=15000
readonly PORT_ATTEMPTS=50

become=()
folder=
postgres_pid=
redis_pid=
command_pid=
interrupted=

say() { printf 'with-services: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

require_programs() {
  [ -x "$POSTGRES_BIN/postgres" ] || die "$POSTGRES_BIN/postgres is missing; run scripts/install-packages.sh"
  if ! command -v redis-server >/dev/null || ! command -v redis-cli >/dev/null; then
    die "redis-server is missing; run scripts/install-packages.sh"
  fi
}

# PostgreSQL refuses to run as root: both services then run as another user.
choose_user() {
  local user=
  if [ "$(id -u)" -eq 0 ]; then
    if id postgres >/dev/null 2>&1; then user=postgres; else user=nobody; fi
    become=(--reuid "$user" --regid "$(id -g "$user")" --clear-groups)
  fi
  folder=$(mktemp -d "${TMPDIR:-/tmp}/ringmain-services.XXXXXX")
  if [ -n "$user" ]; then
    chown "$user" "$folder"
  fi
  # A TMPDIR below a closed folder is out of reach for the other user.
  (exec_as_user TERM test -w "$folder") ||
    die "$folder cannot be written by ${user:-this user}; set TMPDIR to a folder that can"
}

# Becomes the command, as the services' user; the kernel sends it SIGNAL when this script is gone,
# even by SIGKILL.
#   exec_as_user SIGNAL COMMAND...
exec_as_user() {
  local signal=$1
  shift
  exec setpriv --pdeathsig "$signal" "${become[@]}" -- "$@"
}

random_port() {
  printf '%s\n' $((PORT_FIRST + (RANDOM * 32768 + RANDOM) % PORT_COUNT))
}

is_alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }

# Waits until a probe succeeds; fails when the process ends before, or after the deadline.
#   await PID PROBE...
await() {
  local pid=$1 end=$((SECONDS + READY_DEADLINE_S))
  shift
  until "$@" >/dev/null 2>&1; do
    is_alive "$pid" || return 1
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.05
  done
  is_alive "$pid"
}

# Starts a service on a free port: another process may take the port between the choice and the start,
# so the start itself is what tells. The probes ask by unix socket: a stranger on the port cannot answer.
#   start_on_free_port NAME START PROBE  ->  sets port and pid
start_on_free_port() {
  local name=$1 start=$2 probe=$3 attempt
  for ((attempt = 0; attempt < PORT_ATTEMPTS; attempt++)); do
    port=$(random_port)
    "$start"
    if await "$pid" "$probe"; then
      return 0
    fi
    stop_process "$pid" TERM
    grep -q 'Address already in use' "$folder/$name.log" || break
  done
  cat "$folder/$name.log" >&2
  die "$name did not start"
}

start_postgres_process() {
  # INT is PostgreSQL's fast shutdown: open connections are cut.
  exec_as_user INT "$POSTGRES_BIN/postgres" -D "$folder/postgres" \
    -c listen_addresses=127.0.0.1 -c port="$port" -c unix_socket_directories="$folder" \
    -c fsync=on -c max_connections=300 -c timezone=UTC \
    </dev/null >"$folder/postgres.log" 2>&1 &
  pid=$!
  postgres_pid=$pid
}

probe_postgres() { "$POSTGRES_BIN/pg_isready" --host "$folder" --port "$port" --username postgres; }

start_postgres() {
  (
    cd "$folder"
    # Nothing in the fresh folder is worth a flush; the server itself runs with fsync.
    exec_as_user TERM "$POSTGRES_BIN/initdb" --pgdata "$folder/postgres" --username postgres --auth trust \
      --encoding UTF8 --locale C.UTF-8 --no-sync >"$folder/initdb.log" 2>&1
  ) || {
    cat "$folder/initdb.log" >&2
    die "initdb did not make a cluster"
  }
  start_on_free_port postgres start_postgres_process probe_postgres
  "$POSTGRES_BIN/psql" --no-psqlrc --quiet --set ON_ERROR_STOP=1 \
    --host "$folder" --port "$port" --username postgres --dbname postgres <<'SQL'
CREATE ROLE ringmain LOGIN CREATEDB CREATEROLE NOSUPERUSER NOBYPASSRLS;
CREATE DATABASE ringmain OWNER ringmain;
SQL
  export RINGMAIN_TEST_POSTGRES="postgres://ringmain@127.0.0.1:$port/ringmain"
}

start_redis_process() {
  exec_as_user TERM redis-server --port "$port" --bind 127.0.0.1 --unixsocket "$folder/redis.sock" \
    --save "" --appendonly no --dir "$folder" --daemonize no \
    </dev/null >"$folder/redis.log" 2>&1 &
  pid=$!
  redis_pid=$pid
}

probe_redis() { [ "$(redis-cli -s "$folder/redis.sock" ping)" = PONG ]; }

start_redis() {
  start_on_free_port redis start_redis_process probe_redis
  export RINGMAIN_TEST_REDIS="redis://127.0.0.1:$port/"
}

# Ends one of our processes: politely, and at the deadline for good.
#   stop_process PID SIGNAL
stop_process() {
  local pid=$1 end=$((SECONDS + STOP_DEADLINE_S))
  is_alive "$pid" || return 0
  kill -s "$2" "$pid" 2>/dev/null || true
  while is_alive "$pid"; do
    if [ "$SECONDS" -ge "$end" ]; then
      say "process $pid does not stop; killing it"
      kill -s KILL "$pid" 2>/dev/null || true
      break
    fi
    sleep 0.05
  done
  wait "$pid" 2>/dev/null || true
}

clean_up() {
  trap '' INT TERM HUP
  # Only after a failure or a signal before the command was waited for.
  stop_process "$command_pid" TERM
  stop_process "$postgres_pid" INT
  stop_process "$redis_pid" TERM
  if [ -n "$folder" ]; then
    rm -rf "$folder"
  fi
}

# Before the command runs a signal ends the script; later it is handed on, and the command's end counts.
on_signal() {
  interrupted=$1
  if [ -z "$command_pid" ]; then
    exit $((128 + $2))
  fi
  kill -s "$1" "$command_pid" 2>/dev/null || true
}

# The command runs in the background, or bash would look at signals only after it; bash lets such a
# process ignore INT and QUIT and takes away its standard input, so it gets both back.
run() {
  env --default-signal=INT,QUIT -- "$@" <&0 &
  command_pid=$!
  local status
  while true; do
    interrupted=
    status=0
    wait "$command_pid" || status=$?
    # A signal ends `wait` early; the status is then not the command's.
    [ -n "$interrupted" ] || break
  done
  command_pid=
  return "$status"
}

main() {
  if [ $# -eq 0 ]; then
    say "usage: scripts/with-services.sh COMMAND [ARGUMENT...]"
    exit 64
  fi
  require_programs
  # Settings for another PostgreSQL must not reach our clients.
  unset "${!PG@}"
  trap clean_up EXIT
  trap 'on_signal INT 2' INT
  trap 'on_signal TERM 15' TERM
  trap 'on_signal HUP 1' HUP
  choose_user
  start_postgres
  start_redis
  run "$@"
}

main "$@"
