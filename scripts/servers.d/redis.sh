# Redis. Read by scripts/servers.
# shellcheck shell=bash

PORT_redis=${ACTIVELOG_REDIS_PORT:-16379}

redis_is_installed() { command -v redis-server >/dev/null; }

redis_install() { packages redis-server; }

redis_version() { redis-server --version; }

# Every write is on the disk before it is answered, and none goes for want of memory.
redis_settings() {
  echo appendonly=yes
  echo appendfsync=always
  echo save=
  echo maxmemory-policy=noeviction
}

redis_start() {
  local dir name value command
  dir=$(folder redis)
  command=(redis-server --bind 127.0.0.1 --port "$PORT_redis" --dir "$dir" --daemonize no)
  while IFS='=' read -r name value; do command+=("--$name" "$value"); done < <(redis_settings)
  launch redis "$dir/pid" "${command[@]}"
}

redis_is_ready() { [[ $(redis-cli -h 127.0.0.1 -p "$PORT_redis" ping 2>/dev/null) == PONG ]]; }

redis_url() { echo "redis://127.0.0.1:$PORT_redis"; }
