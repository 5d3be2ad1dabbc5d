{{/*
The name of every object: a DNS label that begins with a letter, as Services require, and leaves
room for suffixes, Pod names and the labels that controllers derive from it.
*/}}
{{- define "exporter.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- $full = regexReplaceAll "[^a-z0-9-]+" (.Values.fullnameOverride | default $full | lower) "-" -}}
{{- if not (regexMatch "^[a-z]" $full) -}}
{{- $full = printf "push-%s" (trimPrefix "-" $full) -}}
{{- end -}}
{{- $full | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "exporter.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{/* A text as a label value, which has at most 63 characters and no `+`. */}}
{{- define "exporter.labelValue" -}}
{{- regexReplaceAll "[^A-Za-z0-9_.-]" . "_" | trunc 63 | trimAll "-_." -}}
{{- end -}}

{{/* The labels that select Pods. They never change. */}}
{{- define "exporter.selector" -}}
app.kubernetes.io/name: {{ include "exporter.labelValue" (.Values.nameOverride | default .Chart.Name) | quote }}
app.kubernetes.io/instance: {{ include "exporter.labelValue" .Release.Name | quote }}
{{- end -}}

{{/* The labels of all objects except Pods, which would otherwise restart with each chart version. */}}
{{- define "exporter.labels" -}}
{{ include "exporter.selector" . }}
app.kubernetes.io/version: {{ include "exporter.labelValue" .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ include "exporter.labelValue" .Release.Service | quote }}
helm.sh/chart: {{ include "exporter.labelValue" (printf "%s-%s" .Chart.Name .Chart.Version) | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
The metadata of an object, for a dictionary of `root` and, where they apply, its `name` or the
`suffix` of that, its `namespace`, further `labels` and its `annotations`.
*/}}
{{- define "exporter.metadata" -}}
name: {{ .name | default (printf "%s%s" (include "exporter.fullname" .root) (.suffix | default "")) | quote }}
namespace: {{ .namespace | default (include "exporter.namespace" .root) | quote }}
labels:
  {{- merge (dict) (.labels | default dict) (include "exporter.labels" .root | fromYaml) | toYaml | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "exporter.image" -}}
{{- with .Values.image -}}
{{- if not .repository -}}
{{- fail "image.repository is empty: build the image (make image), push it to your registry, and name it here" -}}
{{- end -}}
{{- if .digest -}}
{{ printf "%s@%s" .repository .digest }}
{{- else -}}
{{ printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "exporter.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "exporter.fullname" .) "" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* Not empty if the ledger is PostgreSQL. */}}
{{- define "exporter.postgresql" -}}
{{- .Values.ledger.postgresql.url | default .Values.ledger.postgresql.urlSecret.name -}}
{{- end -}}

{{/*
The seconds that a replica takes to stop: 5 until proxies are updated, 10 for requests and the last
commit, and with PostgreSQL two scrapes, if a monitor has their interval. The exporter waits for
intervals of up to 60 seconds.
*/}}
{{- define "exporter.secondsToStop" -}}
{{- $monitored := or .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- $interval := ternary .Values.serviceMonitor.interval "0s" (and $monitored (include "exporter.postgresql" .) | empty | not) -}}
{{- $seconds := index (dict "ms" 0.001 "s" 1.0 "m" 60.0) (regexFind "[a-z]+$" $interval) -}}
{{- mulf (regexFind "^[0-9]+" $interval | float64) $seconds | minf 60 | mulf 2 | addf 15 | ceil -}}
{{- end -}}

{{/* Not empty if a repeated request has to reach the replica of the first try. */}}
{{- define "exporter.ledgersOfTheirOwn" -}}
{{- if and (gt (int .Values.replicas) 1) (not (include "exporter.postgresql" .)) -}}true{{- end -}}
{{- end -}}

{{/* The scheme of each listener. */}}
{{- define "exporter.ingestScheme" -}}
{{- ternary "https" "http" (.Values.ingest.tls.secret | default .Values.tls.secret | ne "") -}}
{{- end -}}
{{- define "exporter.adminScheme" -}}
{{- ternary "https" "http" (.Values.admin.tls.secret | default .Values.tls.secret | ne "") -}}
{{- end -}}

{{/*
The files that are mounted: each folder with its Secret, its ConfigMap or both, and the settings
that name entries of it. A credential's entry may belong to an app: `shop=key.pem`.
*/}}
{{- define "exporter.files" -}}
{{- $credentials := .Values.credentials -}}
{{- $postgresql := .Values.ledger.postgresql -}}
{{- $certificate := list .Values.tls.certificateEntry | toJson -}}
{{- $key := list .Values.tls.keyEntry | toJson -}}
- folder: mps-public-keys
  secret: {{ $credentials.mpsPublicKeys.secret | quote }}
  settings: {MPS_PUBLIC_KEY_FILES: {{ $credentials.mpsPublicKeys.entries | toJson }}}
- folder: results-tokens
  secret: {{ $credentials.resultsTokens.secret | quote }}
  settings: {RESULTS_TOKEN_FILES: {{ $credentials.resultsTokens.entries | toJson }}}
- folder: results-secrets
  secret: {{ $credentials.resultsSecrets.secret | quote }}
  settings: {RESULTS_SECRET_FILES: {{ $credentials.resultsSecrets.entries | toJson }}}
- folder: gateways
  secret: {{ .Values.gateways.secret | quote }}
  configMap: {{ .Values.gateways.configMap | quote }}
  settings: {GATEWAY_FILES: {{ .Values.gateways.entries | toJson }}}
- folder: code-tables
  configMap: {{ .Values.codeTables.configMap | quote }}
  settings: {CODE_TABLE_FILES: {{ .Values.codeTables.entries | toJson }}}
- folder: tls
  secret: {{ .Values.tls.secret | quote }}
  settings: {TLS_CERT_FILE: {{ $certificate }}, TLS_KEY_FILE: {{ $key }}}
- folder: ingest-tls
  secret: {{ .Values.ingest.tls.secret | quote }}
  settings: {INGEST_TLS_CERT_FILE: {{ $certificate }}, INGEST_TLS_KEY_FILE: {{ $key }}}
- folder: admin-tls
  secret: {{ .Values.admin.tls.secret | quote }}
  settings: {ADMIN_TLS_CERT_FILE: {{ $certificate }}, ADMIN_TLS_KEY_FILE: {{ $key }}}
- folder: admin-client-ca
  secret: {{ .Values.admin.tls.clientCaSecret | quote }}
  settings: {ADMIN_TLS_CLIENT_CA_FILE: {{ list .Values.admin.tls.clientCaEntry | toJson }}}
- folder: admin-auth
  secret: {{ .Values.admin.auth.secret | quote }}
  settings: {ADMIN_PASSWORD_FILE: {{ list .Values.admin.auth.usersEntry | toJson }}}
{{- if include "exporter.postgresql" . }}
- folder: ledger-password
  secret: {{ $postgresql.passwordSecret.name | quote }}
  settings: {LEDGER_PASSWORD_FILE: {{ list $postgresql.passwordSecret.entry | toJson }}}
{{- end }}
{{- end -}}

{{/* The paths of a setting, for a dictionary of `folder` and `entries`, separated by commas. */}}
{{- define "exporter.paths" -}}
{{- $paths := list -}}
{{- range .entries -}}
{{- $app := regexFind "^[^=]*=" . -}}
{{- $paths = append $paths (printf "%s/etc/push-result-exporter/%s/%s" $app $.folder (trimPrefix $app .)) -}}
{{- end -}}
{{- join "," $paths -}}
{{- end -}}

{{/*
A probe of the public listener, for a dictionary of `root`, `path` and `timing`. That listener
requires neither a password nor a client certificate for it.
*/}}
{{- define "exporter.probe" -}}
httpGet:
  path: {{ .path }}
  port: ingest
  scheme: {{ include "exporter.ingestScheme" .root | upper }}
{{- with .timing }}
{{ toYaml . }}
{{- end }}
{{- end -}}
