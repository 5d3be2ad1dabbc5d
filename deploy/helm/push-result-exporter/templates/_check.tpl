{{/* Refuses values that contradict each other; values.schema.json validates single values. */}}
{{- define "exporter.check" -}}
{{- $deployment := not (empty (include "exporter.postgresql" .)) -}}
{{- include "exporter.checkCredentials" . -}}
{{- include "exporter.checkRecord" . -}}
{{- if and .Values.ledger.postgresql.url .Values.ledger.postgresql.urlSecret.name -}}
{{- fail "ledger.postgresql.url and ledger.postgresql.urlSecret.name are both set: choose one" -}}
{{- end -}}
{{- if regexMatch "://[^/@]*:[^/@]*@|[?&](ssl)?password=" .Values.ledger.postgresql.url -}}
{{- fail "ledger.postgresql.url has a password, which everyone who can read the Deployment would see: remove it and name its Secret in ledger.postgresql.passwordSecret, or put the whole URL into a Secret for ledger.postgresql.urlSecret" -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if hasPrefix "PUSH_EXPORTER_" .name -}}
{{- fail (printf "extraEnv sets %s: give the exporter's settings under `settings`, where they are checked" .name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- fail "serviceMonitor.enabled and podMonitor.enabled are both set: every result would be counted twice; choose one" -}}
{{- end -}}
{{- include "exporter.checkTls" . -}}
{{- $seconds := include "exporter.secondsToStop" . -}}
{{- with .Values.terminationGracePeriodSeconds -}}
{{- if lt (int64 .) (int64 $seconds) -}}
{{- fail (printf "terminationGracePeriodSeconds is %d, too short for two scrapes of serviceMonitor.interval (%s) and the last commit: remove it, or set at least %s" (int64 .) $.Values.serviceMonitor.interval $seconds) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is greater than autoscaling.maxReplicas" -}}
{{- end -}}
{{- with .Values.updateStrategy.type -}}
{{- $known := list "RollingUpdate" (ternary "Recreate" "OnDelete" $deployment) -}}
{{- if not (has . $known) -}}
{{- fail (printf "updateStrategy.type is %s; a %s supports %s" . (ternary "Deployment" "StatefulSet" $deployment) (join " and " $known)) -}}
{{- end -}}
{{- end -}}
{{- if not $deployment -}}
{{- if .Values.autoscaling.enabled -}}
{{- fail "autoscaling.enabled needs ledger.postgresql: replicas with separate SQLite ledgers cannot be autoscaled" -}}
{{- end -}}
{{- if and .Values.ledger.existingClaim (gt (int .Values.replicas) 1) -}}
{{- fail "ledger.existingClaim is one volume, and each of several replicas needs its own: set replicas to 1, leave it empty, or use ledger.postgresql" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "exporter.checkCredentials" -}}
{{- $credentials := .Values.credentials -}}
{{- $authenticated := list $credentials.mpsPublicKeys.secret $credentials.resultsTokens.secret $credentials.resultsSecrets.secret .Values.gateways.configMap .Values.gateways.secret .Values.settings.ALLOW_UNSIGNED -}}
{{- if not (compact $authenticated) -}}
{{- fail "nothing authenticates senders: name a Secret under credentials or gateways, or set settings.ALLOW_UNSIGNED" -}}
{{- end -}}
{{- range $name, $files := $credentials -}}
{{- range ternary $files.entries (list) (ne $files.secret "") -}}
{{- $app := regexFind "^[^=]*=" . | trimSuffix "=" -}}
{{- if and $app (not (has $app $.Values.apps)) -}}
{{- fail (printf "credentials.%s.entries has %s, and apps has no %s: add it there" $name . $app) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name := list "gateways" "codeTables" -}}
{{- $files := index $.Values $name -}}
{{- if and $files.entries (not (or $files.configMap $files.secret)) -}}
{{- fail (printf "%s.entries has no source: name the ConfigMap that holds %s" $name (join ", " $files.entries)) -}}
{{- end -}}
{{- end -}}
{{- range include "exporter.files" . | fromYamlArray -}}
{{- $files := . -}}
{{- range $setting, $entries := ternary .settings (dict) (or .secret .configMap | empty | not) -}}
{{- if not $entries -}}
{{- fail (printf "no entries of %s are named: list those to use (%s)" ($files.secret | default $files.configMap) $setting) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "exporter.checkTls" -}}
{{- $tls := .Values.admin.tls -}}
{{- if and $tls.clientCaSecret (eq (include "exporter.adminScheme" .) "http") -}}
{{- fail "admin.tls.clientCaSecret needs a certificate of the admin listener: name a Secret in admin.tls.secret or tls.secret" -}}
{{- end -}}
{{- if and $tls.clientCaSecret (or .Values.serviceMonitor.enabled .Values.podMonitor.enabled) (not (or $tls.clientSecret .Values.serviceMonitor.tlsConfig)) -}}
{{- fail "admin.tls.clientCaSecret requires a client certificate of Prometheus: name its Secret in admin.tls.clientSecret, or set serviceMonitor.tlsConfig" -}}
{{- end -}}
{{- end -}}

{{- define "exporter.checkRecord" -}}
{{- with .Values.settings.RECORD -}}
{{- $record := printf "%s/" . -}}
{{- $writable := ternary (list) (list "/var/lib/push-result-exporter") (include "exporter.postgresql" $ | empty | not) -}}
{{- range $.Values.extraVolumeMounts -}}
{{- $writable = append $writable .mountPath -}}
{{- end -}}
{{- $found := false -}}
{{- range $writable -}}
{{- if hasPrefix (printf "%s/" (trimSuffix "/" .)) $record -}}
{{- $found = true -}}
{{- end -}}
{{- end -}}
{{- if not $found -}}
{{- fail (printf "settings.RECORD is %s, which is on no volume, and the container's own files are read-only: give extraVolumes and extraVolumeMounts" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
