#!/bin/sh
# Installs what the benchmark uses besides Python packages: a C compiler, Node and Redis. Asks apt when it may; otherwise
# names what is missing and fails, since figures without a peer would say nothing.

has_compiler() { command -v cc && echo '#include <stdio.h>' | cc -E - ; }
has_node() { command -v npm && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'; }
has_redis() { command -v redis-server; }

packages() {
  case $1 in
    compiler) echo gcc libc6-dev ;;
    node) echo nodejs npm ;;
    redis) echo redis-server ;;
  esac
}

updated=
missing=
for need in compiler node redis; do
  "has_$need" >/dev/null 2>&1 && continue
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    [ -n "$updated" ] || { apt-get update -q >/dev/null; updated=yes; }
    echo "Installing $(packages "$need")"
    # shellcheck disable=SC2046
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(packages "$need") >/dev/null
  fi
  "has_$need" >/dev/null 2>&1 || missing="$missing $(packages "$need")"
done
[ -z "$missing" ] || { echo "The benchmark needs more. Run this once: sudo apt-get install$missing" >&2; exit 1; }
