#!/bin/sh
# Sends results with curl, as the manual says.
set -eu
authorization=$1 body=$2
shift 2
for call; do
    curl --silent --fail --max-time 120 --retry 10 --retry-all-errors "${call#*=}" \
        -H "Authorization: $authorization" -H "webhook-id: ${call%%=*}" -d "$body" > /dev/null
    sleep 0.2
done
