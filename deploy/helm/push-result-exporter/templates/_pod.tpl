{{/* The Pod template of the StatefulSet, or of the Deployment where the ledger is PostgreSQL. */}}
{{- define "exporter.pod" -}}
metadata:
  labels:
    {{- merge (dict) .Values.podLabels .Values.commonLabels (include "exporter.selector" . | fromYaml) | toYaml | nindent 4 }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with include "exporter.serviceAccountName" . }}
  serviceAccountName: {{ . | quote }}
  {{- end }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds | default (max 60 (include "exporter.secondsToStop" .)) | int64 }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    {{- include "exporter.container" . | nindent 4 }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with include "exporter.volumes" . | trim }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    - {{- merge (dict) . (dict "labelSelector" (dict "matchLabels" (include "exporter.selector" $ | fromYaml))) | toYaml | nindent 6 }}
    {{- end }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.extraPodSpec }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "exporter.container" -}}
- name: exporter
  image: {{ include "exporter.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  env:
    {{- include "exporter.env" . | nindent 4 }}
  {{- with .Values.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - name: ingest
      containerPort: 10987
    - name: admin
      containerPort: 10988
  startupProbe:
    {{- include "exporter.probe" (dict "root" . "path" "/-/healthy" "timing" .Values.startupProbe) | nindent 4 }}
  livenessProbe:
    {{- include "exporter.probe" (dict "root" . "path" "/-/healthy" "timing" .Values.livenessProbe) | nindent 4 }}
  readinessProbe:
    {{- include "exporter.probe" (dict "root" . "path" "/-/ready" "timing" .Values.readinessProbe) | nindent 4 }}
  lifecycle:
    {{- with .Values.lifecycle }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    preStop:
      # The exporter accepts requests until every proxy knows that the Pod terminates.
      exec: {command: [/opt/push-result-exporter/bin/python, -SIc, "import time; time.sleep(5)"]}
    {{- end }}
  {{- with .Values.securityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "exporter.mounts" . | trim }}
  volumeMounts:
    {{- . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* The settings of the chart, of the mounted files, of `settings`; then the other variables. */}}
{{- define "exporter.env" -}}
- name: PUSH_EXPORTER_INGEST_HOST
  value: {{ .Values.listenHost | quote }}
- name: PUSH_EXPORTER_ADMIN_HOST
  value: {{ .Values.listenHost | quote }}
{{- with .Values.ledger.postgresql }}
{{- if .urlSecret.name }}
- name: PUSH_EXPORTER_LEDGER_URL
  valueFrom: {secretKeyRef: {name: {{ .urlSecret.name | quote }}, key: {{ .urlSecret.entry | quote }}}}
{{- else if .url }}
- name: PUSH_EXPORTER_LEDGER_URL
  value: {{ .url | quote }}
{{- else }}
- name: PUSH_EXPORTER_LEDGER_PATH
  value: /var/lib/push-result-exporter/ledger.sqlite3
{{- end }}
{{- end }}
{{- with .Values.apps }}
- name: PUSH_EXPORTER_APPS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.externalUrl }}
- name: PUSH_EXPORTER_EXTERNAL_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.runbookBaseUrl }}
- name: PUSH_EXPORTER_RUNBOOK_BASE_URL
  value: {{ . | quote }}
{{- end }}
{{- range $files := include "exporter.files" . | fromYamlArray }}
{{- if or .secret .configMap }}
{{- range $setting, $entries := .settings }}
- name: PUSH_EXPORTER_{{ $setting }}
  value: {{ include "exporter.paths" (dict "folder" $files.folder "entries" $entries) | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.ingest.ingress }}
{{- if and .enabled (eq .controller "gce") (not (hasKey $.Values.settings "KEEPALIVE_SECONDS")) }}
- name: PUSH_EXPORTER_KEEPALIVE_SECONDS
  # More than the 600 seconds for which Google Cloud keeps idle connections open.
  value: "620"
{{- end }}
{{- end }}
{{- range $name, $value := .Values.settings }}
{{- /* toJson: Helm would print 1048576 as 1.048576e+06. */}}
- name: PUSH_EXPORTER_{{ $name }}
  value: {{ ternary $value ($value | toJson) (kindIs "string" $value) | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "exporter.mounts" -}}
{{- if not (include "exporter.postgresql" .) }}
- name: ledger
  mountPath: /var/lib/push-result-exporter
{{- end }}
{{- range include "exporter.files" . | fromYamlArray }}
{{- if or .secret .configMap }}
- name: {{ .folder }}
  mountPath: /etc/push-result-exporter/{{ .folder }}
  readOnly: true
{{- end }}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "exporter.volumes" -}}
{{- range include "exporter.files" . | fromYamlArray }}
{{- if or .secret .configMap }}
- name: {{ .folder }}
  {{- if and .secret .configMap }}
  projected:
    defaultMode: 0440
    sources:
      - configMap: {name: {{ .configMap | quote }}}
      - secret: {name: {{ .secret | quote }}}
  {{- else if .secret }}
  secret:
    secretName: {{ .secret | quote }}
    defaultMode: 0440
  {{- else }}
  configMap:
    name: {{ .configMap | quote }}
  {{- end }}
{{- end }}
{{- end }}
{{- if and .Values.ledger.existingClaim (not (include "exporter.postgresql" .)) }}
- name: ledger
  persistentVolumeClaim:
    claimName: {{ .Values.ledger.existingClaim | quote }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
