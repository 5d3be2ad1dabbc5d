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

{{/* The labels that select: they never change. The name is the job that rules and dashboards know. */}}
{{- define "exporter.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "exporter.labels" -}}
{{ include "exporter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Every source of files: setting, folder, kind of volume, its object and entries. */}}
{{- define "exporter.files" -}}
{{- $credentials := .Values.credentials -}}
- setting: MPS_PUBLIC_KEY_FILES
  folder: mps-public-keys
  secret: {{ $credentials.mpsPublicKeys.secret | quote }}
  entries: {{ $credentials.mpsPublicKeys.entries | toJson }}
- setting: RESULTS_TOKEN_FILES
  folder: results-tokens
  secret: {{ $credentials.resultsTokens.secret | quote }}
  entries: {{ $credentials.resultsTokens.entries | toJson }}
- setting: RESULTS_SECRET_FILES
  folder: results-secrets
  secret: {{ $credentials.resultsSecrets.secret | quote }}
  entries: {{ $credentials.resultsSecrets.entries | toJson }}
- setting: CODE_TABLE_FILES
  folder: code-tables
  configMap: {{ .Values.codeTables.configMap | quote }}
  entries: {{ .Values.codeTables.entries | toJson }}
{{- end -}}
