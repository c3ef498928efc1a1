#!/usr/bin/env bash
# A real Tryton 8.0 for tests: the ERP from its Python packages, its own PostgreSQL, and a company that can invoice.
# Needs python3 with venv, and PostgreSQL's programs. What it installs stays in DIR, so the next start takes seconds.
#
#   deploy/tryton.sh up   DIR   start it with everything in DIR and wait until it answers; the last line is its address.
#                             The company is as it was at first: what the runs before did is gone
#   deploy/tryton.sh down DIR   end it in order; DIR stays
#
# It listens on free loopback ports. The database is erp, the user admin, the password CRMHUB_TEST_TRYTON_PASSWORD
# (crmhub-test). Started by root, it runs as the user postgres, since PostgreSQL refuses root: DIR must be in its reach.
set -euo pipefail

usage() {
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
[ $# -eq 2 ] || usage
action=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
dir=$(cd "$2" && pwd)
password=${CRMHUB_TEST_TRYTON_PASSWORD:-crmhub-test}
exec 3>&1 1>&2 # only the address goes to the caller
umask 022      # another user than the caller may run what is installed

pins='trytond==8.0.12 proteus==8.0.0 trytond-party==8.0.4 trytond-company==8.0.1 trytond-currency==8.0.0
  trytond-country==8.0.0 trytond-product==8.0.2 trytond-account==8.0.4 trytond-account-product==8.0.1
  trytond-account-invoice==8.0.2 trytond-account-invoice-stock==8.0.0 trytond-stock==8.0.5 trytond-sale==8.0.5
  psycopg[binary,pool]==3.3.* gunicorn==27.*'
workers=2 # Python uses one core a process

# unprivileged COMMAND…: servers that it starts must not keep the caller's output open.
unprivileged() {
  if [ "$(id -u)" = 0 ]; then HOME=$dir/run runuser -u postgres -- "$@"; else "$@"; fi 3>&-
}

# postgres NAME …: runs the newest PostgreSQL's program of that name.
postgres() {
  local program
  program=$(command -v "$1" || find /usr/lib/postgresql -path "*/bin/$1" 2>/dev/null | sort -V | tail -1) || true
  [ -n "$program" ] || { echo "missing: PostgreSQL's $1 (Debian: apt-get install postgresql)"; return 1; }
  shift
  unprivileged "$program" "$@"
}

# running FILE: whether the process whose id is the first line of the file lives, and is ours.
running() {
  local pid
  pid=$(head -1 "$1" 2>/dev/null) && [ -n "$pid" ] && grep -qsF "$dir/" "/proc/$pid/cmdline"
}

free_port() { "$dir/venv/bin/python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

install() {
  local python
  # The one that the user finds: root's own may be out of its reach.
  python=$(unprivileged python3 -c 'import ensurepip, sys, venv; print(sys.executable)') ||
    { echo 'missing: a python3 with venv that everybody may run (Debian: apt-get install python3-venv)'; return 1; }
  "$python" -m venv "$dir/venv"
  # shellcheck disable=SC2086 # a list
  "$dir/venv/bin/pip" install --quiet --disable-pip-version-check $pins
}

start_postgres() {
  running "$dir/run/postgres/postmaster.pid" && return
  [ -d "$dir/run/postgres" ] ||
    postgres initdb --pgdata "$dir/run/postgres" --username tryton --auth trust --encoding UTF8 --locale C.UTF-8 >/dev/null
  local port
  port=$(free_port)
  # A test's data need not outlive a power cut.
  postgres pg_ctl start --silent --wait --pgdata "$dir/run/postgres" --log "$dir/run/postgres.log" -o \
    "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
  cat >"$dir/trytond.conf" <<CONF
[database]
uri = postgresql://tryton@127.0.0.1:$port/
path = $dir/run
[session]
max_attempt = 100
CONF
}

# sql STATEMENT
sql() { postgres psql --quiet "$(sed -n 's/^uri = //p' "$dir/trytond.conf")postgres" -c 'set client_min_messages = error' -c "$1"; }

# prepare makes the company, in a database of its own.
prepare() {
  sql 'drop database if exists prepared'
  sql 'create database prepared'
  (umask 077 && printf '%s\n' "$password" >"$dir/run/password")
  [ "$(id -u)" != 0 ] || chown postgres "$dir/run/password"
  TRYTONPASSFILE=$dir/run/password unprivileged "$dir/venv/bin/trytond-admin" -c "$dir/trytond.conf" -d prepared \
    --email admin@example.org -u sale --activate-dependencies
  unprivileged "$dir/venv/bin/python" - "$dir/trytond.conf" prepared <"$here/tryton_setup.py"
}

up() {
  local stamp address
  # Other versions, another preparation or another password: begin anew.
  stamp=$(printf '%s\n' "$pins" "$password" | cat - "$here/tryton_setup.py" | sha256sum)
  if [ "$(cat "$dir/ready" 2>/dev/null)" != "$stamp" ]; then
    stop
    rm -rf "$dir/ready" "$dir/run" "$dir/venv"
    mkdir "$dir/run"
    [ "$(id -u)" != 0 ] || chown postgres "$dir/run"
    install
    start_postgres
    prepare
    printf '%s\n' "$stamp" >"$dir/ready"
  fi
  if ! running "$dir/run/pid"; then
    start_postgres
    sql 'drop database if exists erp'
    sql 'create database erp template prepared'
    address=127.0.0.1:$(free_port)
    rm -f "$dir/run/pid" # of a crash
    # Clients keep connections longer than gunicorn would: closing one just as it is used loses an answer.
    TRYTOND_CONFIG=$dir/trytond.conf TRYTOND_DATABASE_NAMES=erp unprivileged "$dir/venv/bin/gunicorn" --daemon \
      --bind "$address" --workers $workers --threads 4 --keep-alive 300 --timeout 120 --no-control-socket \
      --pid "$dir/run/pid" --log-file "$dir/run/trytond.log" trytond.application:app
    echo "http://$address" >"$dir/address"
  fi
  address=$(cat "$dir/address")
  log_in "$address" || { echo "Tryton does not let us in; the end of its log:"; tail -20 "$dir/run/trytond.log"; return 1; }
  echo "$address" >&3
}

# log_in ADDRESS proves that the server answers and knows us.
log_in() {
  PASSWORD=$password "$dir/venv/bin/python" - "$1/erp/rpc/" <<'PYTHON'
import json, os, sys, time, urllib.error, urllib.request
call = {'id': 1, 'method': 'common.db.login', 'params': ['admin', {'password': os.environ['PASSWORD']}, 'en']}
request = urllib.request.Request(sys.argv[1], json.dumps(call).encode(), {'Content-Type': 'application/json'})
deadline = time.monotonic() + 60
while True:
    try:
        sys.exit('result' not in json.load(urllib.request.urlopen(request, timeout=60)))
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError:  # it does not listen yet
        if time.monotonic() > deadline:
            raise
        time.sleep(0.1)
PYTHON
}

stop() {
  local pid
  if running "$dir/run/pid"; then
    pid=$(cat "$dir/run/pid")
    kill "$pid"
    for _ in $(seq 300); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
  fi
  if running "$dir/run/postgres/postmaster.pid"; then
    postgres pg_ctl stop --silent --wait --mode fast --pgdata "$dir/run/postgres"
  fi
}

case $action in
  up) up ;;
  down) stop ;;
  *) usage ;;
esac
