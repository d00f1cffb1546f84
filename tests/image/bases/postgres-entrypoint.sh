#!/bin/bash
# Do what the entrypoint of the official image does: make directories as root, become the user
# postgres, make the database at the first start, then run the server.
set -Eeo pipefail
if [ "$1" = postgres ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chmod 00700 "$PGDATA" || :
  chmod 03775 /var/run/postgresql || :
  if [ "$(id -u)" = 0 ]; then
    find "$PGDATA" ! -user postgres -exec chown postgres '{}' +
    find /var/run/postgresql ! -user postgres -exec chown postgres '{}' +
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
  fi
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD")
    # Local connections are trusted there, all others give the password.
    printf 'host all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
    pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p 5432" -w start
    psql --no-psqlrc --username "$POSTGRES_USER" --dbname postgres \
      --command "CREATE DATABASE \"${POSTGRES_DB:-$POSTGRES_USER}\""
    pg_ctl -D "$PGDATA" -m fast -w stop
    printf "listen_addresses = '*'\n" >> "$PGDATA/postgresql.conf"
  fi
fi
exec "$@"
