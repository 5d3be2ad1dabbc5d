{{/* The name of every object. */}}
{{- define "exporter.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The labels that select: they never change. The name is the job that Prometheus shows. */}}
{{- define "exporter.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The labels that say what an object is of; without those that select. */}}
{{- define "exporter.ownLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "exporter.labels" -}}
{{ include "exporter.selector" . }}
{{ include "exporter.ownLabels" . }}
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

{{/* Refuses values that do not go together. */}}
{{- define "exporter.check" -}}
{{- $credentials := .Values.credentials -}}
{{- $authenticated := list $credentials.mpsPublicKeys.secret $credentials.resultsTokens.secret $credentials.resultsSecrets.secret .Values.gateways.configMap .Values.gateways.secret .Values.settings.ALLOW_UNSIGNED -}}
{{- if not (compact $authenticated) -}}
{{- fail "nothing authenticates senders: name a Secret under credentials or gateways, or set settings.ALLOW_UNSIGNED" -}}
{{- end -}}
{{- if and .Values.ledger.postgresql.url .Values.ledger.postgresql.urlSecret.name -}}
{{- fail "ledger.postgresql.url and ledger.postgresql.urlSecret.name are both set: choose one" -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if hasPrefix "PUSH_EXPORTER_" .name -}}
{{- fail (printf "extraEnv sets %s: give the exporter's settings under `settings`, where they are checked" .name) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "gateways" "codeTables" -}}
{{- $files := index $.Values $name -}}
{{- if and $files.entries (not (or $files.configMap $files.secret)) -}}
{{- fail (printf "%s.entries has no source: name the ConfigMap that holds %s" $name (join ", " $files.entries)) -}}
{{- end -}}
{{- end -}}
{{- $deployment := not (empty (include "exporter.postgresql" .)) -}}
{{- $volumes := ternary (list) (list "/var/lib/push-result-exporter") $deployment -}}
{{- range .Values.extraVolumeMounts -}}
{{- $volumes = append $volumes .mountPath -}}
{{- end -}}
{{- with .Values.settings.RECORD -}}
{{- $record := . -}}
{{- $on := list -}}
{{- range $volumes -}}
{{- if hasPrefix (printf "%s/" (trimSuffix "/" .)) (printf "%s/" $record) -}}
{{- $on = append $on . -}}
{{- end -}}
{{- end -}}
{{- if not $on -}}
{{- fail (printf "settings.RECORD is %s, which is on no volume, and the container's own files are read-only: give extraVolumes and extraVolumeMounts" $record) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is greater than autoscaling.maxReplicas" -}}
{{- end -}}
{{- with .Values.updateStrategy.type -}}
{{- $known := list "RollingUpdate" (ternary "Recreate" "OnDelete" $deployment) -}}
{{- if not (has . $known) -}}
{{- fail (printf "updateStrategy.type is %s; a %s has %s" . (ternary "Deployment" "StatefulSet" $deployment) (join " and " $known)) -}}
{{- end -}}
{{- end -}}
{{- if not $deployment -}}
{{- if .Values.autoscaling.enabled -}}
{{- fail "autoscaling.enabled needs ledger.postgresql: a replica with a SQLite ledger of its own must not come and go" -}}
{{- end -}}
{{- if and .Values.ledger.existingClaim (gt (int .Values.replicas) 1) -}}
{{- fail "ledger.existingClaim is one volume, and each of several replicas needs its own: set replicas to 1, leave it empty, or use ledger.postgresql" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Every source of files: its folder, its Secret, ConfigMap or both, and the entries by setting. */}}
{{- define "exporter.files" -}}
{{- $credentials := .Values.credentials -}}
{{- $postgresql := .Values.ledger.postgresql -}}
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
  settings:
    TLS_CERT_FILE: {{ list .Values.tls.certificateEntry | toJson }}
    TLS_KEY_FILE: {{ list .Values.tls.keyEntry | toJson }}
- folder: admin-auth
  secret: {{ .Values.admin.auth.secret | quote }}
  settings: {ADMIN_PASSWORD_FILE: {{ list .Values.admin.auth.usersEntry | toJson }}}
{{- if include "exporter.postgresql" . }}
- folder: ledger-password
  secret: {{ $postgresql.passwordSecret.name | quote }}
  settings: {LEDGER_PASSWORD_FILE: {{ list $postgresql.passwordSecret.entry | toJson }}}
{{- end }}
{{- end -}}

{{/* The image's own check, of the host and port in the environment, with these arguments. */}}
{{- define "exporter.healthcheck" -}}
{{- concat (list "/opt/push-result-exporter/bin/python" "-SI" "/opt/push-result-exporter/healthcheck.py") . | toYaml -}}
{{- end -}}

{{/* How the kubelet asks: it knows no password, so with one the image's own check asks from inside. */}}
{{- define "exporter.probe" -}}
{{- with .root.Values.admin.auth -}}
{{- if .secret -}}
{{- $folder := "/etc/push-result-exporter/admin-auth" -}}
exec:
  command:
    {{- include "exporter.healthcheck" (list $.path (printf "%s/%s" $folder .usernameEntry) (printf "%s/%s" $folder .passwordEntry)) | nindent 4 }}
{{- else -}}
httpGet:
  path: {{ $.path }}
  port: admin
  scheme: {{ ternary "HTTPS" "HTTP" (ne $.root.Values.tls.secret "") }}
{{- end }}
{{- end }}
{{- with .timing }}
{{ toYaml . }}
{{- end }}
{{- end -}}
