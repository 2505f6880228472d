#!/usr/bin/env bash
# Run by PostgreSQL's image when its volume is new: the owner of the schema, and the role that nodes have.
set -euo pipefail

psql --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname ringmain \
  --set owner="$(cat "${SECRETS:-/run/secrets}/owner-password")" --set app="$(cat "${SECRETS:-/run/secrets}/app-password")" <<'SQL'
CREATE ROLE ringmain_owner LOGIN PASSWORD :'owner';
CREATE ROLE ringmain_app LOGIN PASSWORD :'app';
ALTER DATABASE ringmain OWNER TO ringmain_owner;
SQL
