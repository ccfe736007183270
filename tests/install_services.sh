#!/bin/sh
# Installs what the tests use besides Python packages: a browser, Redis, RabbitMQ, PostgreSQL, proxies, Node, a C
# compiler for the load generator, and what cuts networks. Asks
# apt when it may, and otherwise names what is missing; the tests that need it then skip, or fail under REQUIRE_ALL=1.
# Nothing to do, nothing asked: it takes no time when all is there.

has_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
has_redis() { command -v redis-server; }
has_rabbitmq() { ls /usr/lib/rabbitmq/bin/rabbitmq-server; }
has_postgresql() { command -v postgres || ls /usr/lib/postgresql/*/bin/postgres; }
has_nginx() { PATH=$PATH:/usr/sbin command -v nginx; }
has_haproxy() { PATH=$PATH:/usr/sbin command -v haproxy; }
has_caddy() { command -v caddy; }
has_systemd() { command -v systemd-analyze; }
has_network() { PATH=$PATH:/usr/sbin:/sbin; command -v ip && command -v tc && command -v nft; }
has_compiler() { command -v gcc && ls /usr/include/stdio.h; }
has_curl() { command -v curl; }
has_node() { command -v npm && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'; }
has_emoji() { ls /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf; }

each_missing() {
  for need in browser redis rabbitmq postgresql nginx haproxy caddy systemd network compiler curl node emoji; do
    "has_$need" >/dev/null 2>&1 || "$1" "$need"
  done
}

packages() {
  case $1 in
    browser) echo chromium ;;
    redis) echo redis-server ;;
    rabbitmq) echo rabbitmq-server ;;
    postgresql) echo postgresql ;;
    nginx | haproxy | caddy | systemd | curl) echo "$1" ;;
    network) echo iproute2 nftables ;;
    compiler) echo gcc libc6-dev ;;
    node) echo nodejs npm ;;
    emoji) echo fonts-noto-color-emoji fonts-noto-core fonts-inter ;;
  esac
}

updated=
install() {
  [ -n "$updated" ] || { apt-get update -q >/dev/null; updated=yes; }
  # One at a time: a distribution that lacks one of them should still get the others.
  echo "Installing $(packages "$1")"
  # shellcheck disable=SC2046
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(packages "$1") >/dev/null
}

missing() { echo "Missing: $1 (Debian: $(packages "$1")). Tests that need it are skipped."; }

# What is installed for tests shall not begin to serve: two of the proxies would want the same port.
policy=/usr/sbin/policy-rc.d
forbid_starting() {
  [ -e "$policy" ] && return
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
}

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  forbid_starting
  each_missing install
fi
each_missing missing
