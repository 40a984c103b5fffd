# PostgreSQL. Read by scripts/servers.
# shellcheck shell=bash

PORT_postgres=${ACTIVELOG_POSTGRES_PORT:-15432}

postgres_programs() {
  local dir
  for dir in $(compgen -G '/usr/lib/postgresql/*/bin' | sort -rV) ${PATH//:/ }; do
    [[ -x $dir/initdb && -x $dir/postgres ]] && { echo "$dir"; return; }
  done
  return 1
}

postgres_is_installed() { postgres_programs >/dev/null; }

postgres_install() { packages postgresql; }

postgres_version() { "$(postgres_programs)/postgres" --version; }

# A commit is on the disk when it is answered.
postgres_settings() {
  echo fsync=on
  echo synchronous_commit=on
}

postgres_start() {
  local dir bin prefix setting command
  dir=$(folder postgres) bin=$(postgres_programs)
  read -ra prefix <<<"$(prefix_of postgres)"
  if [[ ! -e $dir/data/PG_VERSION ]]; then
    (cd "$dir" && "${prefix[@]}" "$bin/initdb" -D "$dir/data" -U activelog -A trust -E UTF8 --no-locale >>"$dir/log")
  fi
  command=("$bin/postgres" -D "$dir/data" -p "$PORT_postgres" -k "$dir" -c listen_addresses=127.0.0.1)
  while read -r setting; do command+=(-c "$setting"); done < <(postgres_settings)
  launch postgres "$dir/pid" "${command[@]}"
}

postgres_is_ready() { "$(postgres_programs)/pg_isready" -q -h 127.0.0.1 -p "$PORT_postgres"; }

postgres_has_started() {
  "$(postgres_programs)/createdb" -h 127.0.0.1 -p "$PORT_postgres" -U activelog activelog 2>/dev/null || true
}

# It waits for its clients to leave with TERM, and ends their connections with INT.
postgres_stop_signal() { echo INT; }

postgres_url() { echo "postgres://activelog@127.0.0.1:$PORT_postgres/activelog"; }
