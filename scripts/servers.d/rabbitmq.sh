# RabbitMQ, with a name service of its own for Erlang. Read by scripts/servers.
# shellcheck shell=bash

PORT_rabbitmq=${ACTIVELOG_RABBITMQ_PORT:-15670}
PORT_rabbitmq_distribution=${ACTIVELOG_RABBITMQ_DISTRIBUTION_PORT:-25670}
PORT_rabbitmq_epmd=${ACTIVELOG_RABBITMQ_EPMD_PORT:-14369}

# The program itself: what Debian puts on the path asks for a user of its own.
RABBITMQ_PROGRAM=/usr/lib/rabbitmq/bin/rabbitmq-server

rabbitmq_is_installed() { [[ -x $RABBITMQ_PROGRAM ]] && command -v epmd >/dev/null; }

rabbitmq_install() { packages rabbitmq-server; }

rabbitmq_version() { dpkg-query -W -f "\${Version}\n" rabbitmq-server 2>/dev/null || echo installed; }

# Quorum queues, which activelog declares, sync before they confirm whatever is set here. Publishers are held before the disk is full, and the log of all queues
# takes no half gigabyte of memory.
rabbitmq_settings() {
  echo disk_free_limit.absolute=500MB
  echo raft.wal_max_size_bytes=64000000
}

rabbitmq_more_ports() { echo rabbitmq_distribution rabbitmq_epmd; }

rabbitmq_start() {
  local dir variables
  dir=$(folder rabbitmq)
  {
    echo "log.file = false"
    echo "log.console = true"
    echo "log.console.level = warning"
    rabbitmq_settings | sed 's/=/ = /'
  } >"$dir/rabbitmq.conf"
  : >"$dir/rabbitmq-env.conf"
  echo '[].' >"$dir/enabled_plugins"
  # Nothing of the system's own configuration counts. The name of the node is part of its data: it has no port in it.
  variables=(
    PATH="$PATH" LANG=C.UTF-8 HOME="$dir"
    ERL_EPMD_PORT="$PORT_rabbitmq_epmd" ERL_EPMD_ADDRESS=127.0.0.1
    RABBITMQ_NODENAME=activelog@localhost
    RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$PORT_rabbitmq" RABBITMQ_DIST_PORT="$PORT_rabbitmq_distribution"
    RABBITMQ_MNESIA_BASE="$dir/data" RABBITMQ_LOG_BASE="$dir"
    RABBITMQ_CONFIG_FILE="$dir/rabbitmq.conf" RABBITMQ_CONF_ENV_FILE="$dir/rabbitmq-env.conf"
    RABBITMQ_ENABLED_PLUGINS_FILE="$dir/enabled_plugins"
    # So that its script becomes the server, instead of a shell that waits for it.
    RABBITMQ_ALLOW_INPUT=1
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-noinput +sbwt none -kernel inet_dist_use_interface {127,0,0,1}"
  )
  launch rabbitmq "$dir/epmd.pid" env -i "${variables[@]}" epmd -port "$PORT_rabbitmq_epmd" -address 127.0.0.1
  rabbitmq_wait_for_names
  launch rabbitmq "$dir/pid" env -i "${variables[@]}" "$RABBITMQ_PROGRAM"
}

# Else the server would start a name service by itself, which nobody would end.
rabbitmq_wait_for_names() {
  local quarter
  for ((quarter = 0; quarter < PATIENCE; quarter++)); do
    answers "$PORT_rabbitmq_epmd" && return
    process "$(folder rabbitmq)/epmd.pid" >/dev/null || break
    sleep 0.25
  done
  fail "epmd has not started: see $(folder rabbitmq)/log"
}

# The first byte of its answer to the protocol's greeting.
rabbitmq_is_ready() {
  # shellcheck disable=SC2016
  timeout 2 bash -c 'exec 9<>"/dev/tcp/127.0.0.1/$1" && printf "AMQP\0\0\11\1" >&9 && head -c 1 <&9 | od -An -tx1 | grep -q 01' \
    rabbitmq "$PORT_rabbitmq" 2>/dev/null
}

rabbitmq_has_stopped() { end "$(folder rabbitmq)/epmd.pid" TERM; }

rabbitmq_url() { echo "amqp://127.0.0.1:$PORT_rabbitmq"; }
