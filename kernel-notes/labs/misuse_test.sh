#!/usr/bin/env bash
# misuse_test.sh PROGRAM LAB...: a command line that makes no sense exits with 2 and says on stderr
# what is wrong; --help exits with 0; and each lab has its command, and the README names it.
set -u
program=$1
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
status=0

complain() {
  printf '%s\n' "$*"
  status=1
}

misuse() { # ARGUMENT...
  local output exit_status=0
  output=$("$program" "$@" 2>&1 >/dev/null) || exit_status=$?
  ((exit_status == 2)) || complain "'$*' exits with $exit_status"
  [[ $output == *usage:* ]] || complain "'$*' does not say how it is used"
}

misuse
misuse no-such-lab
misuse ''
misuse udp-chat --full
misuse udp-chat word
misuse time-wait-outage word
misuse writev-hello --nonsense
for help in --help -h; do
  "$program" "$help" >/dev/null || complain "$help fails"
done
for lab in "$@"; do
  "$program" "$lab" --help | grep -q 'The note: kernel-notes/' || complain "$lab --help names no note"
  [[ -x $here/$lab ]] || complain "kernel-notes/labs/$lab is missing"
  grep -qF "\`$lab\`" "$here/README.md" || complain "README.md does not name $lab"
done
exit "$status"
