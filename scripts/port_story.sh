#!/usr/bin/env bash
# Run by ./demo inside a user and network namespace of its own, where the port range can be made
# small: ephemeral ports run out before your eyes, and what helps is seen to help.
# usage: port_story.sh RINGSERVE RINGLOAD ROOT WORK-DIRECTORY
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ringserve=$1 ringload=$2 root=$3 work=$4
# shellcheck source=scripts/setup.sh
source "$top/scripts/setup.sh"
# shellcheck source=scripts/serving.sh
source "$top/scripts/serving.sh"
trap end_children EXIT

readonly kPorts=500 kFirstPort=40000 kRate=100

sysctl_write() { printf '%s\n' "$2" >"/proc/sys/${1//.//}"; }

# try OPTION...: a load of kRate requests a second; its lines, without the one that repeats the URL
try() {
  local url="http://$address/1024.bin" status=0
  say "\$ ringload $* $url"
  "$ringload" --rate "$kRate" "$@" --live plain --json "$work/try.json" "$url" \
    >/dev/null 2>"$work/lines" || status=$?
  sed -n '2,$p' "$work/lines"
  say
  ((status == 0)) || fail "ringload ended with status $status"
}

# number KEY: of the last try's JSON; such lines stand alone there
number() { grep -o "\"$1\": *[0-9.a-z]*" "$work/try.json" | head -n 1 | sed 's/.*: *//'; }

main() {
  ip link set lo up
  serve auto "$root" # before the range is made small, so that it takes no port of it
  sysctl_write net.ipv4.ip_local_port_range "$kFirstPort $((kFirstPort + kPorts - 1))"
  sysctl_write net.ipv4.tcp_tw_reuse 0

  say "1. $kPorts ports, a new connection for each of $kRate requests a second: that lasts" \
    "$((kPorts / kRate)) s."
  try --new-connection --until-exhausted --duration 10s
  [[ $(number exhausted_at_s) != null ]] || fail "the ports did not run out"

  say "2. All of them are in TIME_WAIT for a minute, but only from 127.0.0.1. From another address:"
  try --new-connection --source 127.0.0.2 --duration 2s
  [[ $(number exhausted_at_s) == null ]] || fail "the ports of 127.0.0.2 ran out"

  say "3. Connections that are kept need no further ports:"
  try --source 127.0.0.3 --connections 10 --duration 2s
  [[ $(number exhausted_at_s) == null ]] || fail "connections that are kept used up the ports"

  say "4. tcp_tw_reuse=2, the kernel's default: over loopback, ports are taken over after a second."
  sysctl_write net.ipv4.tcp_tw_reuse 2
  try --new-connection --duration 4s
  [[ $(number exhausted_at_s) == null ]] || fail "the ports ran out in spite of tcp_tw_reuse"

  say "\$ ringload ports --to $address"
  "$ringload" ports --to "$address"
  stop_server
}

main
