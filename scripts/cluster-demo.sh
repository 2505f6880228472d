#!/usr/bin/env bash
# Three nodes behind HAProxy over a private PostgreSQL and Redis, with a crowd of stations that charges at one campus. Prints where to
# look and what to try; a node that is killed is started again. Ctrl-C ends everything and leaves nothing behind.
#
#   scripts/cluster-demo.sh            BINARIES=DIR takes ringmain and ringmain-loadtest from there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly BINARIES="${BINARIES:-${CARGO_TARGET_DIR:-target}/release}"
readonly PLAN=loadtest/plans/cluster-demo.toml
readonly NODES=3
readonly STATIONS_A_GARAGE=12
readonly READY_DEADLINE_S=60
readonly STOP_DEADLINE_S=20
# How long a node that was killed stays away: long enough to see that its lease is over and the others have buried it.
readonly AWAY_S=30
# Below the ports that the kernel hands out by itself: a port is still free when a killed node comes back.
readonly PORT_FIRST=15000
readonly PORT_COUNT=15000
# Guards nothing: the stations live on this machine and as long as this script.
readonly PASSWORD=of-the-stations-of-the-cluster-demo

folder=
token=
keepers=()
taken=" "

say() { printf 'cluster-demo: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

# === what is free, what answers ===

#   free_port  ->  sets port
free_port() {
  local attempt
  for ((attempt = 0; attempt < 100; attempt++)); do
    port=$((PORT_FIRST + (RANDOM * 32768 + RANDOM) % PORT_COUNT))
    case "$taken" in *" $port "*) continue ;; esac
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      taken+="$port "
      return 0
    fi
  done
  die "no port is free"
}

#   eventually WHAT COMMAND...
eventually() {
  local what=$1 end=$((SECONDS + READY_DEADLINE_S))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$end" ]; then
      tail -n 20 "$folder"/*.log >&2
      die "not within $READY_DEADLINE_S s: $what"
    fi
    sleep 0.1
  done
}

is_answered() { curl --silent --fail --max-time 2 --output /dev/null "$1"; }

#   api METHOD PATH BODY
api() {
  curl --silent --show-error --fail-with-body --max-time 20 --output "$folder/answer" --request "$1" \
    --header "Authorization: Bearer $token" --header 'Content-Type: application/json' --data "$3" \
    "http://127.0.0.1:$console_port/api/v1$2" || die "$1 $2: $(cat "$folder/answer")"
}

# === the processes; each dies with the one that keeps it ===

serve() {
  local number=$1
  local home="$folder/node-$number" pki="$folder/pki/pki"
  export RINGMAIN_LISTEN__HTTP="127.0.0.1:${http[$number]}" RINGMAIN_LISTEN__WSS="127.0.0.1:${wss[$number]}" \
    RINGMAIN_LISTEN__WS=off RINGMAIN_LISTEN__OPS="127.0.0.1:${ops[$number]}" \
    RINGMAIN_LISTEN__CLUSTER="127.0.0.1:${cluster[$number]}" \
    RINGMAIN_STORE__URL="$store" RINGMAIN_BOOTSTRAP_TOKEN="$token" RINGMAIN_STATIONS__PEPPER_FILE="$folder/pepper" \
    RINGMAIN_TLS__CERTIFICATE="$pki/server.pem" RINGMAIN_TLS__KEY="$pki/server.key" RINGMAIN_TLS__CLIENT_CA="$pki/ca.pem" \
    RINGMAIN_CLUSTER__NODE="node-$number" RINGMAIN_CLUSTER__REDIS="$redis" RINGMAIN_CLUSTER__CA="$folder/nodes/cluster-ca.pem" \
    RINGMAIN_CLUSTER__CERTIFICATE="$folder/nodes/node.pem" RINGMAIN_CLUSTER__KEY="$folder/nodes/node.key" \
    RINGMAIN_CLUSTER__DRAIN_NOTICE_S=3 RINGMAIN_CLUSTER__DRAIN_S=10 RINGMAIN_LOAD__GUARD_S=5 \
    RINGMAIN_TOKENS__UNKNOWN=accept RINGMAIN_STATIONS__DEFAULT_TARIFF=CAMPUS
  exec setpriv --pdeathsig KILL -- "$BINARIES/ringmain" serve --data-dir "$home" --ready-file "$home/ready.json" \
    </dev/null >>"$folder/node-$number.log" 2>&1
}

# Starts a node again whenever it ends, and tells its process id.
keep() {
  local number=$1 pid
  # The end of the demonstration: its database goes too, so nobody needs to leave in order.
  trap 'kill -s KILL "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; exit 0' TERM
  # Ctrl-C goes to the whole group; the order of ending is the script's.
  trap '' INT
  while true; do
    (serve "$number") &
    pid=$!
    printf '%s\n' "$pid" >"$folder/node-$number.pid"
    { wait "$pid" || true; } 2>/dev/null
    say "node-$number (process $pid) has ended; it comes back in $AWAY_S s"
    sleep "$AWAY_S" &
    pid=$!
    { wait "$pid" || true; } 2>/dev/null
    say "node-$number starts again"
  done
}

balance() {
  local number
  {
    printf 'defaults\n  timeout connect 3s\n  timeout client 1h\n  timeout server 1h\n  option redispatch\n'
    # As soon as a node says that it is leaving it gets nothing new; what it has it closes itself, at its own pace.
    printf '  option httpchk GET /readyz\n  default-server inter 1s fall 2 rise 1\n'
    printf 'listen stations\n  mode tcp\n  bind 127.0.0.1:%s\n  balance source\n  hash-type consistent\n' "$stations_port"
    for ((number = 1; number <= NODES; number++)); do
      printf '  server node-%s 127.0.0.1:%s check port %s\n' "$number" "${wss[$number]}" "${ops[$number]}"
    done
    # People sign in at one node: the cookie keeps them there as long as it lives.
    printf 'listen console\n  mode http\n  bind 127.0.0.1:%s\n  balance roundrobin\n  cookie NODE insert indirect nocache\n' "$console_port"
    for ((number = 1; number <= NODES; number++)); do
      printf '  server node-%s 127.0.0.1:%s check port %s cookie node-%s\n' "$number" "${http[$number]}" "${ops[$number]}" "$number"
    done
  } >"$folder/haproxy.cfg"
  # -db: it stays in the foreground.
  (trap '' INT; exec setpriv --pdeathsig KILL -- haproxy -db -f "$folder/haproxy.cfg" </dev/null >"$folder/haproxy.log" 2>&1) &
  keepers+=("$!")
}

crowd() {
  (
    trap '' INT
    exec setpriv --pdeathsig KILL -- "$BINARIES/ringmain-loadtest" run --plan "$PLAN" --loopback-sources \
      --url "wss://127.0.0.1:$stations_port/ocpp" --ca "$folder/pki/pki/ca.pem" --password "$PASSWORD" \
      </dev/null >"$folder/crowd.log" 2>&1
  ) &
  keepers+=("$!")
}

# === what stands at the campus ===

furnish() {
  local garage number id evses=() circuits
  api PUT /tariffs/CAMPUS '{"name":"Campus","currency":"EUR","elements":[{"components":[{"dimension":"energy","price":"0.39","tax_percent":"19"}]}]}'
  api PUT /locations/campus '{"name":"Campus","address":"Ringstr. 1","city":"Berlin","country":"DEU","latitude":"52.5","longitude":"13.4","time_zone":"Europe/Berlin"}'
  circuits='{"id":"grid","name":"Grid connection","limit":{"line_ma":[450000,450000,450000]}}'
  for garage in A B C; do
    circuits+=",{\"id\":\"garage-$garage\",\"parent\":\"grid\",\"name\":\"Garage $garage\",\"limit\":{\"line_ma\":[192000,192000,192000]}}"
    for ((number = 1; number <= STATIONS_A_GARAGE; number++)); do
      id=$(printf 'CAMPUS-%s-%02d' "$garage" "$number")
      api POST /charging-stations "{\"id\":\"$id\",\"password\":\"$PASSWORD\",\"location_id\":\"campus\"}"
      evses+=("{\"charging_station_id\":\"$id\",\"evse_id\":1,\"circuit_id\":\"garage-$garage\",\"voltage_v\":230,\"lines\":[\"L1\",\"L2\",\"L3\"],\"min_ma\":6000,\"max_ma\":32000,\"step_ma\":100,\"rated_ma\":32000,\"fallback_ma\":0}")
    done
  done
  local IFS=,
  api PUT /locations/campus/circuits "{\"circuits\":[$circuits],\"evses\":[${evses[*]}]}"
}

tell() {
  local number console="http://127.0.0.1:$console_port"
  printf '\nThree nodes behind one balancer are ready.\n'
  printf '  console       %s/ (each click may be answered by another node)\n' "$console"
  printf '  operator API  %s/api/v1/openapi.json\n' "$console"
  printf '  stations      wss://127.0.0.1:%s/ocpp/IDENTITY, 36 simulated ones are on their way\n' "$stations_port"
  for ((number = 1; number <= NODES; number++)); do
    printf '  node-%s        http://127.0.0.1:%s/ process %s, health http://127.0.0.1:%s/readyz\n' \
      "$number" "${http[$number]}" "$(cat "$folder/node-$number.pid")" "${ops[$number]}"
  done
  printf '  sign in with  %s\n' "$token"
  printf '\nTry:\n'
  printf '  kill -9 %s        node-2 is gone: look at %s/nodes. Its stations are back at the others within\n' \
    "$(cat "$folder/node-2.pid")" "$console"
  printf '                        ten seconds, its lease is over after twelve, and whoever owned the campus is followed by another\n'
  printf '                        (%s/locations/campus). It comes back after %s s.\n' "$console" "$AWAY_S"
  printf '  kill -TERM %s     node-3 leaves in order: first out of the balancer, then its stations in small steps.\n' "$(cat "$folder/node-3.pid")"
  printf "  curl -s -H 'Authorization: Bearer %s' %s/api/v1/nodes\n" "$token" "$console"
  printf '  Whoever is signed in at a node that dies signs in again at the next one.\n'
  printf '\nLogs are in %s. Ctrl-C ends everything.\n' "$folder"
}

# === beginning and end ===

require() {
  local program
  for program in haproxy curl setpriv; do
    command -v "$program" >/dev/null || die "$program is missing; run scripts/install-packages.sh"
  done
  for program in ringmain ringmain-loadtest; do
    [ -x "$BINARIES/$program" ] || die "$BINARIES/$program is missing; make cluster-demo builds it"
  done
}

clean_up() {
  trap '' INT TERM HUP
  local keeper end
  for keeper in "${keepers[@]}"; do
    kill -s TERM "$keeper" 2>/dev/null || true
  done
  end=$((SECONDS + STOP_DEADLINE_S))
  for keeper in "${keepers[@]}"; do
    while kill -0 "$keeper" 2>/dev/null && [ "$SECONDS" -lt "$end" ]; do sleep 0.1; done
    # A keeper that is gone takes its process with it.
    kill -s KILL "$keeper" 2>/dev/null || true
    wait "$keeper" 2>/dev/null || true
  done
  [ -z "$folder" ] || rm -rf "$folder"
}

main() {
  require
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  folder=$(mktemp -d "${TMPDIR:-/tmp}/ringmain-cluster-demo.XXXXXX")
  token="rmk_$(head -c 32 /dev/urandom | base64 | tr -dc 'A-Za-z0-9')"
  store=$RINGMAIN_TEST_POSTGRES
  redis=$RINGMAIN_TEST_REDIS
  # What an operator has set must not reach these nodes.
  unset "${!RINGMAIN_@}"
  local number
  for ((number = 1; number <= NODES; number++)); do
    free_port && http[number]=$port
    free_port && wss[number]=$port
    free_port && ops[number]=$port
    free_port && cluster[number]=$port
  done
  free_port && stations_port=$port
  free_port && console_port=$port
  "$BINARIES/ringmain" pki init --data-dir "$folder/pki" >/dev/null
  "$BINARIES/ringmain" pki node --ca "$folder/nodes-ca" --out "$folder/nodes" >/dev/null
  for ((number = 1; number <= NODES; number++)); do
    mkdir "$folder/node-$number"
    keep "$number" &
    keepers+=("$!")
    # The first one makes the tables.
    eventually "node-$number to be ready" is_answered "http://127.0.0.1:${ops[$number]}/readyz"
  done
  balance
  eventually "the balancer to reach a node" is_answered "http://127.0.0.1:$console_port/sign-in"
  furnish
  crowd
  tell
  # Until Ctrl-C, or until the crowd or the balancer is gone.
  wait -n "${keepers[@]}" || true
  tail -n 20 "$folder"/*.log >&2
  die "something ended by itself, see above"
}

declare -a http wss ops cluster
stations_port='' console_port='' store='' redis='' port=''

case "${1:-}" in
  "")
    require
    exec scripts/with-services.sh scripts/cluster-demo.sh --with-services
    ;;
  --with-services) main ;;
  *)
    printf 'usage: scripts/cluster-demo.sh\n' >&2
    exit 64
    ;;
esac
