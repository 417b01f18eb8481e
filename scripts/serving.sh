# Sourced by ./demo: one server at a time, its CPU time, its system calls, and a client for it.
# Relies on `work`, a temporary directory, and on scripts/setup.sh; ends its children by pid.
# shellcheck shell=bash
: "${work:?}" "${ringserve:?}"

readonly kHost=ringserve.demo # a name for the URLs; curl is told where it is
readonly kStartDeadlineS=15 kStopDeadlineS=15 kStallS=20

server='' child='' address=''
tracer=() client_pin=()
declare -A cpu_seen=()

end_children() {
  local pid
  for pid in $child $server; do kill -KILL "$pid" 2>/dev/null || true; done
}

# run COMMAND...: in the background, so that a signal to us is acted upon at once
run() {
  local status=0
  "$@" &
  child=$!
  wait "$child" || status=$?
  child=''
  return "$status"
}

# serve SEND-PATH ROOT: sets `server` and `address` once it listens
serve() {
  local deadline=$((SECONDS + kStartDeadlineS))
  : >"$work/ready" # what the last one wrote is no answer
  "${tracer[@]}" "$ringserve" --listen 127.0.0.1:0 --print-listen --send-path "$1" "$2" \
    >>"$work/ready" 2>"$work/server.log" &
  server=$!
  cpu_seen=()
  until address=$(sed -n 's/^listening //p;T;q' "$work/ready"); [[ -n $address ]]; do
    if ! kill -0 "$server" 2>/dev/null || ((SECONDS > deadline)); then
      fail "ringserve --send-path $1 $2 did not start. It said:"$'\n'"$(<"$work/server.log")"
    fi
    sleep 0.02
  done
}

# SIGTERM must end it with 0, and soon: no response is running.
stop_server() {
  local deadline=$((SECONDS + kStopDeadlineS)) status=0
  kill -TERM "$server" 2>/dev/null || true # it may have died: its status says so
  while kill -0 "$server" 2>/dev/null; do
    ((SECONDS <= deadline)) || fail "ringserve did not end within $kStopDeadlineS s of SIGTERM"
    sleep 0.02
  done
  wait "$server" || status=$?
  server=''
  ((status == 0)) ||
    fail "ringserve ended with status $status. It said:"$'\n'"$(<"$work/server.log")"
}

# fetch CURL-CONFIG [OPTION]...: every URL of the file, one after another, on one connection
fetch() {
  local config=$1
  shift
  run "${client_pin[@]}" curl -q -sS --fail --globoff --path-as-is --noproxy '*' --create-dirs \
    --speed-limit 1 --speed-time "$kStallS" --connect-to "$kHost:80:$address" "$@" -K "$config"
}

# One URL of a curl config file: NAME below the root, and where the body goes.
curl_entry() {
  local output=${2//\\/\\\\}
  output=${output//\"/\\\"}
  output=${output//$'\n'/\\n}
  output=${output//$'\t'/\\t}
  output=${output//$'\r'/\\r}
  percent_encode "$1"
  printf 'url = "http://%s/%s"\noutput = "%s"\n' "$kHost" "$REPLY" "$output"
}

percent_encode() { # sets REPLY
  REPLY=$1
  [[ $1 == *[!a-zA-Z0-9/._~-]* ]] || return 0
  local LC_ALL=C i byte code
  REPLY=''
  for ((i = 0; i < ${#1}; i++)); do
    byte=${1:i:1}
    if [[ $byte == [!a-zA-Z0-9/._~-] ]]; then
      printf -v code %d "'$byte"
      printf -v byte %%%02X $((code & 255))
    fi
    REPLY+=$byte
  done
}

# The kernel's accounting in ns where it is compiled in, else its ticks.
if { read -r ns _ </proc/self/schedstat; } 2>/dev/null && ((ns > 0)); then
  cpu_step_ns=1
else
  cpu_step_ns=$((1000000000 / $(getconf CLK_TCK)))
fi

# Sets cpu_ns: what the server's threads have used since the last call. Threads that have ended
# in between are not seen; the ring's own workers end only after seconds without work.
cpu_since_last() {
  local file now
  cpu_ns=0
  if ((cpu_step_ns == 1)); then
    for file in /proc/"$server"/task/*/schedstat; do
      { read -r now _ <"$file"; } 2>/dev/null || continue
      cpu_ns=$((cpu_ns + now - ${cpu_seen[$file]:-0}))
      cpu_seen[$file]=$now
    done
  else
    local fields
    read -r now </proc/"$server"/stat
    read -ra fields <<<"${now##*) }"
    now=$(((fields[11] + fields[12]) * cpu_step_ns)) # utime, stime
    cpu_ns=$((now - ${cpu_seen[ticks]:-0}))
    cpu_seen[ticks]=$now
  fi
}

# Server and client on one CPU. Left to itself the scheduler puts them on one or on two, as it
# happens, and in a virtual machine a wake-up across CPUs costs several times a small response.
pin() {
  local cpu
  cpu=$(taskset -cp $$)
  cpu=${cpu##* }
  cpu=${cpu%%[,-]*}
  taskset -acp "$cpu" "$server" >/dev/null 2>&1 || true
  client_pin=(taskset -c "$cpu")
}
unpin() { client_pin=(); }

# Why strace cannot trace here, or nothing.
why_no_trace() {
  command -v strace >/dev/null || { printf 'strace is not installed'; return; }
  run strace -f -qq -o "$work/trace" true 2>"$work/trace.log" && [[ -s $work/trace ]] && return
  head -n 1 "$work/trace.log"
}

# -D makes the server our child and the tracer the stranger, so that signals reach the server.
trace_on() { tracer=(strace -D -f -qq -s 0 -e signal=none -o "$work/trace"); : >"$work/trace"; }
trace_off() { tracer=(); }

# Sets traced_calls: system calls of the server so far, once their number stands still.
count_traced_calls() {
  local before=-1
  traced_calls=0
  while ((traced_calls != before)); do
    before=$traced_calls
    sleep 0.05
    traced_calls=$(grep -c -v -e ' resumed>' -e '+++ ' "$work/trace" || true)
  done
}
