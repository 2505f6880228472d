#!/usr/bin/env bash
# Makes what compose.yaml expects in secrets/: passwords, the pepper, the cluster's certificates, and certificates of a development CA for
# stations and people. Leaves alone what is there. For a rehearsal: real certificates come from your CA.
#
#   deploy/compose/prepare.sh [NAME]...      names under which stations and people reach this machine (default: localhost)
#
# RINGMAIN names the binary; without it the image is used, which must be built: docker compose build migrate
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
umask 077

ringmain() {
  if [ -n "${RINGMAIN:-}" ]; then
    "$RINGMAIN" "$@"
  else
    docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD/secrets:$PWD/secrets" --workdir "$PWD" ringmain:local "$@"
  fi
}

#   once FILE COMMAND...: the command's output, unless the file is there
once() {
  local file=secrets/$1
  shift
  [ -s "$file" ] || "$@" >"$file"
}

random() { head -c 24 /dev/urandom | base64 | tr -d '\n=' | tr '+/' '-_'; }

# Of a command that fails the last one alone would be seen inside `once`.
owner_url() { printf 'postgres://ringmain_owner:%s@postgres/ringmain\n' "$(cat secrets/owner-password)"; }
app_url() { printf 'postgres://ringmain_app:%s@postgres/ringmain\n' "$(cat secrets/app-password)"; }
token() { printf 'rmk_%s%s\n' "$(random)" "$(random)"; }
people() { cat secrets/pki/server.pem secrets/pki/server.key; }

main() {
  local names=() name
  for name in "${@:-localhost}"; do names+=(--name "$name"); done
  mkdir -p secrets
  once postgres-password random
  once owner-password random
  once app-password random
  once grafana-password random
  once store-owner-url owner_url
  once store-url app_url
  once pepper head -c 32 /dev/urandom
  once bootstrap-token token
  [ -s secrets/node/node.key ] || ringmain pki node --ca secrets/cluster-ca --out secrets/node
  [ -s secrets/pki/server.key ] || ringmain pki init --data-dir secrets "${names[@]}"
  once people.pem people
  # Compose mounts these files as they are, and the containers' users are not yours: the folder keeps others out, not the files.
  chmod 0700 secrets
  find secrets -type f -exec chmod 0444 {} +
  find secrets -mindepth 1 -type d -exec chmod 0755 {} +
  printf 'sign in with  %s\n' "$(cat secrets/bootstrap-token)"
  printf 'stations trust %s\n' "$PWD/secrets/pki/ca.pem"
}

main "$@"
