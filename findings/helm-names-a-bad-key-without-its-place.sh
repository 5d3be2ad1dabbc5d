#!/usr/bin/env bash
# Helm 4.2.3 (helm-python-sdk 0.2.2, PyPI): values.schema.json that bounds the keys of a value.
#
# Guess: an error of the schema names the place of the value in values.yaml, whichever keyword of the
#        schema it breaks.
# Seen:  for a value that is wrong it does. For a key that `propertyNames` refuses the place is empty,
#        so that nobody can tell which of several maps holds the key.
# So:    bound keys by `patternProperties` with `additionalProperties: false`, or refuse single ones by
#        `properties: {key: false}`: their errors have the place.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet install helm-python-sdk==0.2.2

mkdir -p "$folder/chart/templates"
printf 'apiVersion: v2\nname: example\nversion: 1.0.0\n' > "$folder/chart/Chart.yaml"
printf 'labels: {}\n' > "$folder/chart/values.yaml"

# $1: the schema of `labels`; $2: values. Prints Helm's error.
error_of() {
    printf '{"properties": {"labels": %s}}' "$1" > "$folder/chart/values.schema.json"
    "$folder/venv/bin/python" - "$folder" "$2" <<'PYTHON'
import json, sys
import helm_python as helm

folder, values = sys.argv[1], json.loads(sys.argv[2])
package = helm.package(f"{folder}/chart", destination=folder)
with helm.Chart.load(package) as chart:
    try:
        chart.validate_schema(values)
    except Exception as error:
        print(error)
PYTHON
}

text='{"type": "string"}'
bounded="{\"patternProperties\": {\"^[b-z]\": $text}, \"additionalProperties\": false}"
{
    error_of "{\"additionalProperties\": $text}" '{"labels": {"a": 1}}'
    error_of '{"propertyNames": {"enum": ["b"]}}' '{"labels": {"a": "x"}}'
    error_of "$bounded" '{"labels": {"a": "x"}}'
    error_of '{"properties": {"a": false}}' '{"labels": {"a": "x"}}'
} | grep . | tee "$folder/seen"

diff - "$folder/seen" <<'END'
example:
- at '/labels/a': got number, want string
example:
- at '': invalid propertyName 'a'
  - at '': value must be 'b'
example:
- at '/labels': additional properties 'a' not allowed
example:
- at '/labels/a': false schema
END
