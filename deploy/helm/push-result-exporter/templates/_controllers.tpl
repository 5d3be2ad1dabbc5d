{{/*
Settings for the ingress controller: the size of bodies, TLS to the exporter, the path of the health
check, and, if each replica has a ledger of its own, that a repeated request goes to the same replica.
Requests are routed by body: routing by an unsigned part of the URL would let anyone who captured a
request have it counted by every replica.
*/}}
{{- define "exporter.ingressAnnotations" -}}
{{- $controller := .Values.ingest.ingress.controller -}}
{{- $bytes := .Values.settings.MAX_BODY_BYTES | default 1048576 | int64 -}}
{{- $hash := not (include "exporter.postgresql" .) -}}
{{- $tls := eq (include "exporter.ingestScheme" .) "https" -}}
{{- if eq $controller "ingress-nginx" }}
nginx.ingress.kubernetes.io/proxy-body-size: {{ $bytes | quote }}
{{- if $hash }}
nginx.ingress.kubernetes.io/client-body-buffer-size: {{ $bytes | quote }}
nginx.ingress.kubernetes.io/upstream-hash-by: $request_body
{{- end }}
{{- if $tls }}
nginx.ingress.kubernetes.io/backend-protocol: HTTPS
{{- end }}
{{- else if eq $controller "nginx-ingress" }}
nginx.org/client-max-body-size: {{ $bytes | quote }}
{{- if $hash }}
nginx.org/client-body-buffer-size: {{ $bytes | quote }}
nginx.org/lb-method: hash $request_body consistent
{{- end }}
{{- if $tls }}
nginx.org/ssl-services: {{ include "exporter.fullname" . }}-ingest
{{- end }}
{{- else if eq $controller "alb" }}
alb.ingress.kubernetes.io/target-type: ip
alb.ingress.kubernetes.io/healthcheck-path: /-/ready
{{- if $tls }}
alb.ingress.kubernetes.io/backend-protocol: HTTPS
alb.ingress.kubernetes.io/healthcheck-protocol: HTTPS
{{- end }}
{{- else if eq $controller "gce" }}
kubernetes.io/ingress.class: gce
{{- end }}
{{- end -}}

{{- define "exporter.ingestServiceAnnotations" -}}
{{- with .Values.ingest.ingress -}}
{{- if and .enabled (eq .controller "gce") }}
cloud.google.com/neg: {{ dict "ingress" true | toJson | quote }}
cloud.google.com/backend-config: {{ dict "default" (printf "%s-ingest" (include "exporter.fullname" $)) | toJson | quote }}
{{- if eq (include "exporter.ingestScheme" $) "https" }}
cloud.google.com/app-protocols: {{ dict "ingest" "HTTPS" | toJson | quote }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}
