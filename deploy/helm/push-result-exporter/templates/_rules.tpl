{{/*
The rules of files/rules.yml, with the values of prometheusRule: a
recording rule with a constant expression is a threshold, named by the part between `push:` and
`:threshold`. Thresholds that depend on a setting of the exporter use its value in `settings`.
*/}}
{{- define "exporter.rules" -}}
{{- $values := .Values.prometheusRule -}}
{{- $spec := include "exporter.rulesText" . | fromYaml -}}
{{- $given := include "exporter.thresholds" . | fromYaml -}}
{{- $thresholds := list -}}
{{- $alerts := list -}}
{{- range $group := $spec.groups -}}
{{- $kept := list -}}
{{- range $rule := $group.rules -}}
{{- $change := dict -}}
{{- if $rule.alert -}}
{{- $alerts = append $alerts $rule.alert -}}
{{- $change = index $values.alerts $rule.alert | default dict -}}
{{- include "exporter.changeAlert" (dict "rule" $rule "change" $change "root" $) -}}
{{- else if regexMatch "^vector\\([-+.0-9e]+\\)$" (trim $rule.expr) -}}
{{- $name := $rule.record | trimPrefix "push:" | trimSuffix ":threshold" -}}
{{- $thresholds = append $thresholds $name -}}
{{- if hasKey $given $name -}}
{{- $_ := set $rule "expr" (printf "vector(%s)" (index $given $name | toJson)) -}}
{{- end -}}
{{- end -}}
{{- if ne (toString $change.enabled) "false" -}}
{{- $kept = append $kept $rule -}}
{{- end -}}
{{- end -}}
{{- $_ := set $group "rules" $kept -}}
{{- end -}}
{{- include "exporter.onlyKnown" (dict "given" $values.thresholds "known" $thresholds "value" "prometheusRule.thresholds") -}}
{{- include "exporter.onlyKnown" (dict "given" $values.alerts "known" $alerts "value" "prometheusRule.alerts") -}}
{{- toYaml $spec -}}
{{- end -}}

{{/* The thresholds to change: those of the values, and those that follow a setting. */}}
{{- define "exporter.thresholds" -}}
{{- $thresholds := dict -}}
{{- with .Values.settings.MAX_PENDING_RESULTS -}}
{{- $_ := set $thresholds "pending_results" (div (mul (int64 .) 4) 5) -}}
{{- end -}}
{{- with .Values.settings.DEDUPE_WINDOW_SECONDS -}}
{{- $_ := set $thresholds "dedupe_window_seconds" . -}}
{{- end -}}
{{- merge (dict) .Values.prometheusRule.thresholds $thresholds | toYaml -}}
{{- end -}}

{{/*
The file, with the job name, the replica labels and the exporter's address replaced.
*/}}
{{- define "exporter.rulesText" -}}
{{- $text := .Files.Get "files/rules.yml" -}}
{{- with .Values.prometheusRule.job -}}
{{- $job := "job=~\"[^\"]*\"" -}}
{{- if not (regexMatch $job $text) -}}
{{- fail (printf "prometheusRule.job: rules.yml has no %s" $job) -}}
{{- end -}}
{{- $text = regexReplaceAllLiteral $job $text (printf "job=~%q" .) -}}
{{- end -}}
{{- with .Values.prometheusRule.replicaLabels -}}
{{- $labels := "instance, pod, node, host" -}}
{{- if not (contains $labels $text) -}}
{{- fail (printf "prometheusRule.replicaLabels: rules.yml has no list %s" $labels) -}}
{{- end -}}
{{- $text = replace $labels (printf "%s, %s" $labels (join ", " .)) $text -}}
{{- end -}}
{{- with .Values.externalUrl -}}
{{- $text = replace "exporter := \"\"" (printf "exporter := %q" (trimSuffix "/" .)) $text -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{/* Changes an alert according to the values. */}}
{{- define "exporter.changeAlert" -}}
{{- $rule := .rule -}}
{{- with .change.for -}}
{{- $_ := set $rule "for" . -}}
{{- end -}}
{{- $_ := set $rule "labels" (merge (dict) (.change.labels | default dict) ($rule.labels | default dict) .root.Values.prometheusRule.alertLabels) -}}
{{- $_ := set $rule "annotations" (merge (dict) (.change.annotations | default dict) ($rule.annotations | default dict)) -}}
{{- with .root.Values.runbookBaseUrl -}}
{{- if not (hasKey ($.change.annotations | default dict) "runbook_url") -}}
{{- $_ := set $rule.annotations "runbook_url" (printf "%s/%s" (trimSuffix "/" .) $rule.alert) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "exporter.onlyKnown" -}}
{{- range $name, $_ := .given -}}
{{- if not (has $name $.known) -}}
{{- fail (printf "%s.%s: rules.yml has no %s; it has %s" $.value $name $name (join ", " $.known)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
