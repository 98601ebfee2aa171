#!/bin/sh
# Asks a server of examples/crm whatever its own description allows and what it forbids, as schemathesis makes it up, and fails on
# an answer that is a 5xx or is not described. Not part of the gate: it needs `schemathesis` (a Python program) and takes minutes.
#   cargo build && crates/hedgerow-cli/tests/schemathesis.sh [EXAMPLES_OF_EACH_OPERATION]
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
hedgerow=${HEDGEROW:-$root/target/debug/hedgerow}
folder=$(mktemp -d)
chmod 755 "$folder"
cp -r "$root/examples/crm/hedgerow.toml" "$root/examples/crm/entities" "$root/examples/crm/migrations" "$root/examples/crm/seeds" "$folder"
"$hedgerow" --project "$folder" dev --port 0 > /dev/null 2> "$folder/said" &
server=$!
trap 'kill $server; wait $server || true; rm -rf "$folder"' EXIT
until grep -q 'curl -H' "$folder/said"; do
    kill -0 $server || { cat "$folder/said"; exit 1; }
    sleep 0.2
done
address=$(sed -n 's|^listening on \(http://[^,]*\),.*|\1|p' "$folder/said")
key=$(cat "$folder/.hedgerow/dev-key")
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance
checks=$checks,response_schema_conformance,negative_data_rejection,missing_required_header,unsupported_method,use_after_free
checks=$checks,ensure_resource_availability,ignored_auth
# It leaves what it found where it runs.
cd "$folder"
# PostgreSQL's texts have no U+0000, and a JSON Schema has no short word for that.
schemathesis run "$address/api/v1/openapi.json" --header "Authorization: Bearer $key" --checks "$checks" \
    --max-examples "${1:-50}" --workers 1 --continue-on-failure --generation-allow-x00 false
