#!/usr/bin/env bash
# Records the histories that TestReplay replays. Run it when a release is made,
# with the tilery-local of that release: a history is worth something because
# code that is out there wrote it, so never record with the branch under test to
# make a test pass. Older histories stay for as long as such jobs may run.
#
#   workflows/testdata/replay/record.sh v0.1.0 path/to/tilery-local
set -euo pipefail
cd "$(dirname "$0")/../../.."

if [[ $# -ne 2 ]]; then
  echo "usage: $0 RELEASE TILERY_LOCAL" >&2
  exit 2
fi
release=$1 local=$2

data=$(mktemp -d)
stack=
stop() {
  if [[ -n $stack ]] && kill "$stack" 2>/dev/null; then wait "$stack" || true; fi
  rm -rf "$data" "$data.log"
}
trap stop EXIT

"$local" -data-dir "$data" -source-root examples/flights -clock fixed:2001-02-01T00:00:00Z \
  -http 127.0.0.1:0 -temporal-port 0 -ui-port -1 2>"$data.log" &
stack=$!
for _ in {1..600}; do
  [[ -e $data/endpoints.json ]] && break
  kill -0 "$stack" 2>/dev/null || { cat "$data.log"; exit 1; }
  sleep 0.1
done
go run ./workflows/internal/record -release "$release" -endpoints "$data/endpoints.json" \
  -repository workflows/testdata/replay/repository -out workflows/testdata/replay
