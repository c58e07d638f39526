#!/usr/bin/env bash
# Shows Tilery at work on a month of real flights: starts the stack in a
# temporary directory, plans, applies, backfills, reads features, and stops.
set -euo pipefail
cd "$(dirname "$0")/../.."

data=$(mktemp -d)
stack=
stop() {
  if [[ -n $stack ]] && kill "$stack" 2>/dev/null; then wait "$stack" || true; fi
  rm -rf "$data"
}
trap stop EXIT

step() { printf '\n$ %s\n' "$*"; "$@"; }

# The clock stands at the end of the data, so that January 2001 is now.
bin/tilery-local -data-dir "$data" -source-root examples/flights -clock fixed:2001-02-01T00:00:00Z \
  -http 127.0.0.1:0 -temporal-port 0 -ui-port 0 2>"$data.log" &
stack=$!
for _ in {1..600}; do
  [[ -e $data/endpoints.json ]] && break
  kill -0 "$stack" 2>/dev/null || { cat "$data.log"; exit 1; }
  sleep 0.1
done
endpoint() { sed -E "s/.*\"$1\":\"([^\"]*)\".*/\1/" "$data/endpoints.json"; }
TILERY_SERVER=$(endpoint http) TILERY_TEMPORAL_ADDRESS=$(endpoint temporal)
export TILERY_SERVER TILERY_TEMPORAL_ADDRESS

step bin/tilery test examples/flights
step bin/tilery plan examples/flights
step bin/tilery apply examples/flights --yes
step bin/tilery materialize airport_delays
step bin/tilery materialization-status airport_delays
step bin/tilery describe airport_delays
step bin/tilery get-online airport_delays --key origin=ATL
step bin/tilery get-online airport_delays --key origin=ORD -o json

printf '\nThe HTTP API listened at %s, the Temporal UI at %s.\n' "$TILERY_SERVER" "$(endpoint ui)"
printf 'make dev keeps such a stack up.\n'
