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
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check helm-python-sdk==0.2.2

mkdir -p chart/templates
printf 'apiVersion: v2\nname: example\nversion: 1.0.0\n' > chart/Chart.yaml
printf 'labels: {}\n' > chart/values.yaml

# $1: the schema of `labels`; $2: values. Prints Helm's error.
error_of() {
    printf '{"properties": {"labels": %s}}' "$1" > chart/values.schema.json
    python/bin/python - "$2" <<'PYTHON'
import json, sys
import helm_python as helm

values = json.loads(sys.argv[1])
package = helm.package("chart", destination=".")
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
} | grep . > seen || true
cat seen

diff seen - <<'END'
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
