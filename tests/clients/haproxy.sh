#!/usr/bin/env bash
# Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#
# examples/deploy/haproxy.cfg and nginx.conf with two replicas of `gemma3 serve`: requests go to both; one that is
# drained (SIGTERM) finishes what it streams while new requests go to the other; one that is killed costs only the
# answers that it was in.
#   haproxy.sh PROGRAM FOLDER
# Exit code 77, with a line that says why, where there is no haproxy or no curl; nginx is left out where it is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
deploy=$(cd "$here/../../examples/deploy" && pwd -P)
(($# == 2)) || { sed -n '4,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
program=$(cd "$(dirname "$1")" && pwd -P)/$(basename "$1")

skip() {
  echo "load balancer tests skipped: $*" >&2
  exit 77
}
PATH=$PATH:/usr/sbin
command -v haproxy >/dev/null || skip "there is no haproxy (Debian's package haproxy)"
command -v curl >/dev/null || skip "there is no curl"
"$program" serve --help >/dev/null 2>&1 || skip "$program has no serve"

rm -rf "$2"
mkdir -p "$2"
cd "$2"
started=()
cleanup() {
  local pid
  for pid in "${started[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
}
trap cleanup EXIT
fail() {
  echo "FAILED: $*" >&2
  for log in ./*.log; do echo "--- $log" >&2; tail -n 30 "$log" >&2; done
  exit 1
}

# replica NAME PORT: sets pid_NAME and port_NAME. Port 0 takes a free one.
replica() {
  local name=$1 found=
  "$program" serve demo --port "$2" --threads 1 --allow-host chat.example.org 2>"$name.log" &
  printf -v "pid_$name" '%s' $!
  started+=($!)
  for _ in {1..600}; do
    found=$(sed -n 's,.*listening on http://127\.0\.0\.1:\([0-9]*\).*,\1,p' "$name.log" | head -n 1)
    [[ -n $found ]] && break
    sleep 0.1
  done
  [[ -n $found ]] || fail "replica $name does not listen"
  printf -v "port_$name" '%s' "$found"
}

# A free port of this moment.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 20000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
}

wait_for() {  # what, seconds, command...
  local what=$1 tries=$(($2 * 10))
  shift 2
  until "$@"; do
    ((tries-- > 0)) || fail "not in time: $what"
    sleep 0.1
  done
}

# ask URL: a short answer by the whole stack. Prints the HTTP status.
ask() {
  curl -sS --max-time 120 -o answer.json -w '%{http_code}' -H 'Host: chat.example.org' \
    -H 'Content-Type: application/json' "$1/v1/chat/completions" \
    -d '{"model": "demo", "temperature": 0, "max_tokens": 8, "messages": [{"role": "user", "content": "Hi"}]}' ||
    echo failed
}
# stream URL FILE TOKENS: a long answer, in the background; its process is $stream_pid.
stream() {
  curl -sS -N --max-time 300 -H 'Host: chat.example.org' -H 'Content-Type: application/json' \
    "$1/v1/chat/completions" >"$2" 2>"$2.log" -d "{\"model\": \"demo\", \"stream\": true, \"temperature\": 0,
      \"max_tokens\": $3, \"ignore_eos\": true, \"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}" &
  stream_pid=$!
  started+=($!)
}
begun() { grep -q '"content":"[^"]' "$1" 2>/dev/null; }
ready_is() { [[ $(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1/health/ready") == "$2" ]]; }
# The requests that a replica answered, by its log.
count() { grep -c 'chat/completions' "$1.log" || true; }
# HAProxy says which replica it counts as up through its statistics socket; here its log does.
told() { grep -q "$1" haproxy.log; }

pid_a='' port_a='' pid_b='' port_b=''  # set by replica
replica a 0
replica b 0

# ---- HAProxy: the file as it is, with the ports of this run.
front=$(free_port)
sed -e "s/bind :8080/bind 127.0.0.1:$front/" -e "s/127\.0\.0\.1:8081/127.0.0.1:$port_a/" \
  -e "s/127\.0\.0\.1:8082/127.0.0.1:$port_b/" "$deploy/haproxy.cfg" >haproxy.cfg
haproxy -c -q -f haproxy.cfg || fail "haproxy refuses its configuration"
haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
started+=($!)
url=http://127.0.0.1:$front
wait_for "haproxy answers" 10 bash -c "curl -sf -o /dev/null $url/health"

[[ $(curl -s -o /dev/null -w '%{http_code}' "$url/metrics") == 404 ]] || fail "metrics are open to all"
for _ in {1..6}; do [[ $(ask "$url") == 200 ]] || fail "an answer through haproxy"; done
(($(count a) > 0 && $(count b) > 0)) || fail "requests went to one replica only"

# Drain a while it streams: the stream goes to its end, everything new goes to b, and a ends with 0.
stream "$url" s1 600
s1=$stream_pid
wait_for "a stream begins" 60 begun s1
stream "$url" s2 600
s2=$stream_pid
wait_for "another stream begins" 60 begun s2
kill -TERM "$pid_a"
refused=0
for _ in {1..10}; do
  # Requests in the moment before haproxy notices are refused by a, and given to b.
  [[ $(ask "$url") == 200 ]] || refused=$((refused + 1))
done
((refused == 0)) || fail "$refused of 10 requests failed while a replica drained"
# Its port is closed to new connections or answers 503: not ready in either case.
ready_is "$port_a" 200 && fail "a draining replica calls itself ready"
wait_for "haproxy takes a out" 10 told 'Server replicas/a is DOWN'
wait "$s1" || fail "a stream broke while its replica drained"
wait "$s2" || fail "the other stream broke"
for file in s1 s2; do
  grep -q '^data: \[DONE\]' "$file" || fail "$file has no end"
  [[ $(grep -c '"content":"[^"]' "$file") -gt 20 ]] || fail "$file is no long answer"
done
code=0
wait "$pid_a" || code=$?
((code == 0)) || fail "a drained replica ended with $code"

# It comes back at the same port, and gets requests again.
replica a "$port_a"
wait_for "haproxy takes a in again" 30 told 'Server replicas/a is UP'

# Kill b while it streams: that answer ends without an end mark, and nothing else fails.
stream "$url" s3 2000
s3=$stream_pid
wait_for "a stream begins" 60 begun s3
stream "$url" s4 2000
s4=$stream_pid
wait_for "another stream begins" 60 begun s4
kill -KILL "$pid_b"
wait "$pid_b" 2>/dev/null || true
failed=0
for _ in {1..10}; do [[ $(ask "$url") == 200 ]] || failed=$((failed + 1)); done
((failed == 0)) || fail "$failed of 10 requests failed after a replica was killed"
wait_for "haproxy takes b out" 10 told 'Server replicas/b is DOWN'
broken=0
for pid in "$s3" "$s4"; do wait "$pid" || broken=$((broken + 1)); done
((broken == 1)) || fail "$broken of two streams broke, instead of the killed replica's one"
echo "haproxy: requests spread, a drained replica finished its stream, a killed one cost one answer"

# ---- nginx: the file as it is, with the ports of this run; b is gone.
if ! command -v nginx >/dev/null; then
  echo "nginx.conf NOT tested: there is no nginx" >&2
  exit 0
fi
nginx_port=$(free_port)
sed -e "s/listen 80;/listen 127.0.0.1:$nginx_port;/" -e "s/127\.0\.0\.1:8081/127.0.0.1:$port_b/" \
  -e "s/127\.0\.0\.1:8082/127.0.0.1:$port_a/" "$deploy/nginx.conf" >gemma3.conf
temp=
for kind in client_body proxy fastcgi uwsgi scgi; do temp+="${kind}_temp_path $PWD/$kind; "; done
# The rest of a system's nginx.conf.
{
  [[ $(id -u) == 0 ]] && echo 'user root;'
  echo "daemon off; pid $PWD/nginx.pid; error_log $PWD/nginx.log;"
  echo "events {} http { access_log off; $temp include $PWD/gemma3.conf; }"
} >nginx.conf
nginx -t -q -p "$PWD" -c "$PWD/nginx.conf" || fail "nginx refuses its configuration"
nginx -p "$PWD" -c "$PWD/nginx.conf" &
nginx_pid=$!
started+=("$nginx_pid")
url=http://127.0.0.1:$nginx_port
wait_for "nginx answers" 10 bash -c "curl -s -o /dev/null $url/health"
[[ $(ask "$url") == 200 ]] || fail "an answer through nginx while one replica is gone"
# Tokens come one by one: the first is here long before the last.
stream "$url" s5 600
s5=$stream_pid
wait_for "a stream begins" 60 begun s5
kill -0 "$s5" 2>/dev/null || fail "nginx kept a stream back until its end"
wait "$s5" || fail "a stream through nginx broke"
grep -q '^data: \[DONE\]' s5 || fail "a stream through nginx has no end"
[[ $(curl -s -o /dev/null -w '%{http_code}' "$url/metrics") == 404 ]] || fail "nginx: metrics are open to all"
# A client that leaves is noticed behind nginx.
stream "$url" s6 2000
s6=$stream_pid
wait_for "a stream begins" 60 begun s6
kill -TERM "$s6"
idle() { curl -s "http://127.0.0.1:$port_a/metrics" | grep -q '^gemma3_requests_running{.*} 0$'; }
wait_for "the answer is stopped when its client leaves" 5 idle
kill -TERM "$nginx_pid"
wait "$nginx_pid" || true
echo "nginx: configuration taken, streams pass at once, a client that leaves stops its answer"
