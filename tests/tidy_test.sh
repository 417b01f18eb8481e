#!/usr/bin/env bash
# What of the style can be checked by a machine: line and file lengths, headers, stray words.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
files=$(find common server client kernel-notes bench tests -name '*.cc' -o -name '*.h' | sort)
status=0
complain() {
  [[ -z $1 ]] && return
  printf '%s:\n%s\n' "$2" "$1"
  status=1
}
complain "$(awk 'length($0) > 100 {print FILENAME ":" FNR}' $files)" "lines over 100 columns"
complain "$(wc -l $files | awk '$2 != "total" && $1 > 400 {print $2 ": " $1}')" "files over 400 lines"
complain "$(grep -nE '[[:space:]]+$' $files)" "trailing white space"
complain "$(grep -LE '^#pragma once' $(printf '%s\n' $files | grep '\.h$'))" "headers without #pragma once"
complain "$(for f in $files; do head -n 1 "$f" | grep -q '^//' || echo "$f"; done)" \
  "files that do not begin by saying what they are"
complain "$(grep -nwE 'TODO|FIXME|XXX' $files)" "unfinished work"
complain "$(grep -nE '[^_:.>]close\(' $files | grep -E 'server/|common/' |
  grep -vE 'owned_fd.h|connection|void close|//')" "naked close(): use net::OwnedFd"
# Every test that the tables of conformance, of reliability and of faults name is there.
for table in server/http/CONFORMANCE.md server/RELIABILITY.md server/FAULTS.md; do
  complain "$(grep -oE '`[A-Z][A-Za-z0-9]*\.[a-z]+_[a-z0-9_]*`' "$table" | tr -d '`' |
    sort -u | while IFS=. read -r suite name; do
      grep -rqE "^TEST(_F|_P)?\($suite, $name\)" tests || echo "$suite.$name"
    done)" "tests that $table names and nobody wrote"
done
exit $status
