# NATS with JetStream. Read by scripts/servers.
# shellcheck shell=bash

PORT_nats=${ACTIVELOG_NATS_PORT:-14222}
NATS_VERSION=v2.15.2

nats_program() {
  local home
  for home in "$HOME_DIR" "$DEFAULT_HOME"; do
    [[ -x $home/bin/nats-server ]] && { echo "$home/bin/nats-server"; return; }
  done
  command -v nats-server
}

nats_is_installed() { nats_program >/dev/null; }

nats_install() {
  command -v go >/dev/null || fail "NATS $NATS_VERSION is built with Go, which is missing: https://go.dev/dl"
  mkdir -p "$HOME_DIR/bin"
  GOBIN=$HOME_DIR/bin go install "github.com/nats-io/nats-server/v2@$NATS_VERSION"
}

nats_version() { "$(nats_program)" --version; }

# Of `jetstream`: a message is on the disk before it is acknowledged.
nats_settings() { echo sync_interval=always; }

nats_start() {
  local dir
  dir=$(folder nats)
  {
    echo "listen: 127.0.0.1:$PORT_nats"
    echo "jetstream {"
    echo "  store_dir: \"$dir/jetstream\""
    nats_settings | sed 's/^\(.*\)=/  \1: /'
    echo "}"
  } >"$dir/nats.conf"
  launch nats "$dir/pid" "$(nats_program)" -c "$dir/nats.conf"
}

nats_is_ready() { grep -q 'Server is ready' "$(folder nats)/log" 2>/dev/null && answers "$PORT_nats"; }

nats_url() { echo "nats://127.0.0.1:$PORT_nats?durability=power-loss"; }
