#!/bin/sh
# Write the gateway's id into the access list, then execute the broker. Plain POSIX shell: the image has no other.
set -eu
umask 077

template=${ACL_TEMPLATE:-/safesignal/acl.template}
run=${RUN_DIR:-/mosquitto/run}
conf=${MOSQUITTO_CONF:-/safesignal/mosquitto.conf}

id=${SAFESIGNAL_EDGE_GATEWAY_ID:?set it to the id of the gateway in this building}
if ! printf '%s\n' "$id" | grep -Eqx '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'; then
    echo "start.sh: SAFESIGNAL_EDGE_GATEWAY_ID is not a UUID in lower case" >&2
    exit 64
fi
sed "s/@GATEWAY_ID@/$id/g" "$template" > "$run/acl"
exec mosquitto -c "$conf"
