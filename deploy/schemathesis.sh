#!/usr/bin/env bash
# Judges the API by its OpenAPI document with schemathesis, on a hub of its own with a private database.
#
#   deploy/schemathesis.sh [FOLDER]     FOLDER keeps Python's packages, the program and the report
set -euo pipefail
cd "$(dirname "$0")/.."
work=${1:-${TMPDIR:-/tmp}/crmhub-schemathesis}
mkdir -p "$work"
work=$(cd "$work" && pwd)

if [ ! -x "$work/venv/bin/schemathesis" ]; then
  /usr/bin/python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check 'schemathesis==4.32.5'
fi
go build -o "$work/crmhub" ./cmd/crmhub

data=$(mktemp -d)
chmod 755 "$data" # the private server's user must pass through
export CRMHUB_DATA_DIR=$data CRMHUB_LISTEN=127.0.0.1:18471 CRMHUB_BROKER_LISTEN=127.0.0.1:18472
"$work/crmhub" serve >"$work/serve.log" 2>&1 &
hub=$!
trap 'kill "$hub" 2>/dev/null || true; wait "$hub" 2>/dev/null || true; rm -rf "$data"' EXIT
for _ in $(seq 120); do
  curl -fsS "http://$CRMHUB_LISTEN/readyz" >/dev/null 2>&1 && break
  kill -0 "$hub" 2>/dev/null || { cat "$work/serve.log" >&2; exit 1; }
  sleep 1
done
CRMHUB_TOKEN=$("$work/crmhub" token add schemathesis)
export CRMHUB_TOKEN

cd "$work" # where its caches go
"$work/venv/bin/schemathesis" --config-file "$OLDPWD/deploy/schemathesis.toml" run "http://$CRMHUB_LISTEN/api/v1/openapi.json" \
  --checks all --max-examples "${EXAMPLES:-5}" >"$work/report.txt" 2>&1 || { cat "$work/report.txt" >&2; exit 1; }
sed -n '/SUMMARY/,$p' "$work/report.txt"
