#!/usr/bin/env bash
# Tests scripts/with-services.sh: exit codes, signals, two at once, and that nothing stays behind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly SCRIPT=scripts/with-services.sh
readonly DEADLINE_S=60

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 0755 "$work"
# A folder of our own for the services' folders, so that other runs on this machine do not count.
export TMPDIR="$work/tmp"
mkdir -m 1777 "$TMPDIR"

passed=0
ok() {
  passed=$((passed + 1))
  printf 'ok: %s\n' "$1"
}
fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

nothing_left() {
  [ -z "$(ls -A "$TMPDIR")" ] || fail "$1: left behind in TMPDIR: $(ls -A "$TMPDIR")"
  ! pgrep -f "$TMPDIR" >/dev/null || fail "$1: still running: $(pgrep -af "$TMPDIR")"
}

eventually() {
  local end=$((SECONDS + DEADLINE_S))
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || fail "not in time: $*"
    sleep 0.05
  done
}

command_sees_both_services() {
  # shellcheck disable=SC2016
  "$SCRIPT" bash -c '
    set -e
    psql=/usr/lib/postgresql/15/bin/psql
    ask() { "$psql" --no-psqlrc --tuples-only --no-align --command "$1" "$RINGMAIN_TEST_POSTGRES"; }
    [ "$(ask "SELECT current_user || current_database()")" = ringmainringmain ]
    [ "$(ask "SHOW fsync")" = on ]
    [ "$(ask "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")" = f ]
    ask "CREATE DATABASE another" >/dev/null
    [ "$(redis-cli -u "$RINGMAIN_TEST_REDIS" ping)" = PONG ]
    [ -z "$(redis-cli -u "$RINGMAIN_TEST_REDIS" --raw config get save | sed -n 2p)" ]
  ' || fail "the command does not find the services"
  nothing_left "after success"
  ok "the command finds both services"
}

exit_code_is_the_commands() {
  local code
  for code in 0 1 7 255; do
    local status=0
    "$SCRIPT" bash -c "exit $code" || status=$?
    [ "$status" -eq "$code" ] || fail "exit code $status instead of $code"
  done
  local status=0
  "$SCRIPT" /nowhere/no-such-command 2>/dev/null || status=$?
  [ "$status" -eq 127 ] || fail "exit code $status instead of 127"
  status=0
  "$SCRIPT" 2>/dev/null || status=$?
  [ "$status" -eq 64 ] || fail "exit code $status instead of 64"
  nothing_left "after failures"
  ok "the exit code is the command's"
}

standard_streams_pass_through() {
  local answer
  answer=$(printf 'in' | "$SCRIPT" bash -c 'cat; printf out; printf err >&2' 2>"$work/err")
  [ "$answer" = inout ] || fail "standard output was $answer"
  [ "$(cat "$work/err")" = err ] || fail "standard error was $(cat "$work/err")"
  ok "standard input, output and error are the command's, and nothing is added"
}

foreign_settings_do_not_matter() {
  PGHOST=/nowhere PGPORT=1 PGUSER=nobody PGDATABASE=none PGOPTIONS='-c work_mem=1' \
    "$SCRIPT" true || fail "settings of another PostgreSQL disturb"
  nothing_left "after foreign settings"
  ok "settings of another PostgreSQL do not disturb"
}

two_at_once_do_not_meet() {
  local pids=() pid n
  for n in 1 2 3; do
    # shellcheck disable=SC2016
    "$SCRIPT" bash -c '
      set -e
      printf "%s\n" "$RINGMAIN_TEST_POSTGRES" "$RINGMAIN_TEST_REDIS" >"$1.made"
      mv "$1.made" "$1"
      while [ ! -e "$2" ]; do sleep 0.05; done
      /usr/lib/postgresql/15/bin/psql -qc "CREATE TABLE mine (n int)" "$RINGMAIN_TEST_POSTGRES"
      [ "$(redis-cli -u "$RINGMAIN_TEST_REDIS" incr mine)" = 1 ]
    ' sh "$work/urls-$n" "$work/go" &
    pids+=($!)
  done
  for n in 1 2 3; do eventually test -e "$work/urls-$n"; done
  [ "$(cat "$work"/urls-* | sort -u | wc -l)" -eq 6 ] || fail "two runs share a port: $(cat "$work"/urls-*)"
  touch "$work/go"
  for pid in "${pids[@]}"; do wait "$pid" || fail "a run beside others failed"; done
  nothing_left "after three at once"
  ok "three at once do not meet"
}

# Starts a run in the background whose command tells its pid and then waits; sets `run_pid`.
start_waiting_run() {
  rm -f "$work/started"
  # A session of its own: a signal goes to exactly the process we name. INT is set back to its
  # default, which bash takes from what it runs in the background.
  # shellcheck disable=SC2016
  setsid env --default-signal=INT,QUIT "$SCRIPT" bash -c '
    trap "exit 42" USR1
    trap "touch \"$1.interrupted\"; exit 43" INT
    touch "$1"
    while true; do sleep 0.05; done
  ' sh "$work/started" &
  run_pid=$!
  eventually test -e "$work/started"
}

signals_end_the_command_and_the_services() {
  local status
  start_waiting_run
  kill -s TERM "$run_pid"
  status=0
  wait "$run_pid" || status=$?
  [ "$status" -eq 143 ] || fail "exit code $status after TERM"
  nothing_left "after TERM"

  start_waiting_run
  kill -s INT "$run_pid"
  status=0
  wait "$run_pid" || status=$?
  [ "$status" -eq 43 ] || fail "exit code $status after INT: the command's own way out counts"
  [ -e "$work/started.interrupted" ] || fail "the command did not see INT"
  nothing_left "after INT"

  # Ctrl-C: the whole group gets it.
  start_waiting_run
  kill -s INT -- "-$run_pid"
  status=0
  wait "$run_pid" || status=$?
  [ "$status" -eq 43 ] || fail "exit code $status after Ctrl-C"
  nothing_left "after Ctrl-C"
  ok "TERM, INT and Ctrl-C end the command and the services"
}

early_signal_leaves_nothing() {
  setsid "$SCRIPT" true &
  local pid=$!
  # The folder is the first thing it makes: this hits initdb or the start of PostgreSQL.
  # shellcheck disable=SC2016
  eventually sh -c 'ls "$1"/ringmain-services.*' sh "$TMPDIR"
  kill -s TERM "$pid"
  local status=0
  wait "$pid" || status=$?
  [ "$status" -eq 143 ] || [ "$status" -eq 0 ] || fail "exit code $status after an early TERM"
  nothing_left "after an early TERM"
  ok "a signal during the start leaves nothing behind"
}

# PostgreSQL shows its folder in its command line, Redis shows only its port: it is found by its session.
no_service_runs() { ! pgrep -f "$TMPDIR" && ! pgrep -s "$1" redis-server; }

kill_ends_the_services_too() {
  start_waiting_run
  kill -s KILL "$run_pid"
  wait "$run_pid" 2>/dev/null || true
  # Nobody is left to remove the folder, but the services must not live on.
  eventually no_service_runs "$run_pid"
  pkill -KILL -s "$run_pid" || true
  rm -rf "$TMPDIR"/ringmain-services.*
  ok "a killed script takes its services along"
}

command_sees_both_services
exit_code_is_the_commands
standard_streams_pass_through
foreign_settings_do_not_matter
two_at_once_do_not_meet
signals_end_the_command_and_the_services
early_signal_leaves_nothing
kill_ends_the_services_too
printf 'with-services-test: %s checks passed\n' "$passed"
