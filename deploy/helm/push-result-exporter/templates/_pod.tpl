{{/* The pod of a StatefulSet, or of a Deployment where the ledger is PostgreSQL. */}}
{{- define "exporter.pod" -}}
metadata:
  labels:
    {{- include "exporter.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with include "exporter.serviceAccountName" . }}
  serviceAccountName: {{ . }}
  {{- end }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
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
    preStop:
      # Until every proxy knows that this replica goes.
      exec: {command: [sleep, "5"]}
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

{{/* Settings: of the chart itself, files, those given by name, and last what is no setting. */}}
{{- define "exporter.env" -}}
{{- $postgresql := .Values.ledger.postgresql -}}
- name: PUSH_EXPORTER_INGEST_HOST
  value: {{ .Values.listenHost | quote }}
- name: PUSH_EXPORTER_ADMIN_HOST
  value: {{ .Values.listenHost | quote }}
{{- if include "exporter.postgresql" . }}
- name: PUSH_EXPORTER_INSTANCE
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: PUSH_EXPORTER_LEDGER_URL
  {{- with $postgresql.urlSecret.name }}
  valueFrom: {secretKeyRef: {name: {{ . }}, key: {{ $postgresql.urlSecret.entry }}}}
  {{- else }}
  value: {{ $postgresql.url | quote }}
  {{- end }}
{{- else }}
- name: PUSH_EXPORTER_LEDGER_PATH
  value: /var/lib/push-result-exporter/ledger.sqlite3
{{- end }}
{{- with .Values.runbookBaseUrl }}
- name: PUSH_EXPORTER_RUNBOOK_BASE_URL
  value: {{ . | quote }}
{{- end }}
{{- range $files := include "exporter.files" . | fromYamlArray }}
{{- $source := $files.secret | default $files.configMap }}
{{- if $source }}
{{- range $setting, $entries := $files.settings }}
{{- if not $entries }}
{{- fail (printf "no entries are named of %s: say which of them to use (%s)" $source $setting) }}
{{- end }}
- name: PUSH_EXPORTER_{{ $setting }}
  value: {{ printf "/etc/push-result-exporter/%s/%s" $files.folder (join (printf ",/etc/push-result-exporter/%s/" $files.folder) $entries) | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: PUSH_EXPORTER_{{ $name }}
  # toJson: Helm would print 1048576 as 1.048576e+06.
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
      - configMap: {name: {{ .configMap }}}
      - secret: {name: {{ .secret }}}
  {{- else if .secret }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
  {{- else }}
  configMap:
    name: {{ .configMap }}
  {{- end }}
{{- end }}
{{- end }}
{{- if and .Values.ledger.existingClaim (not (include "exporter.postgresql" .)) }}
- name: ledger
  persistentVolumeClaim:
    claimName: {{ .Values.ledger.existingClaim }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
