{{/* Name of all objects: the release's, with "millrace" in it. At most 52 characters, for labels of pods. */}}
{{- define "millrace.name" -}}
{{- $name := .Release.Name }}
{{- if not (contains "millrace" $name) }}{{ $name = printf "%s-millrace" $name }}{{ end }}
{{- $name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{/* Labels by which the operator's pods are found. Workers' NetworkPolicies let in pods with the first. */}}
{{- define "millrace.selector" -}}
app.kubernetes.io/name: millrace-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "millrace.labels" -}}
{{ include "millrace.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{- define "millrace.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "millrace.name" .) }}
{{- else }}
{{- required "serviceAccount.name: name the account that exists, or set serviceAccount.create" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "millrace.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What the operator may do with StreamApps and what it makes of them. */}}
{{- define "millrace.rules" -}}
- apiGroups: [millrace.dev]
  resources: [streamapps]
  verbs: [get, list, watch, patch]
- apiGroups: [millrace.dev]
  resources: [streamapps/status]
  verbs: [get, patch]
# To be named as owner of what it makes.
- apiGroups: [millrace.dev]
  resources: [streamapps/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps, services, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# Tells pods of changed files, replaces stuck ones; grows and deletes volumes.
- apiGroups: [""]
  resources: [pods, persistentvolumeclaims]
  verbs: [get, list, watch, patch, delete]
# Those that StreamApps name for their Kafka. No list, no watch: only names it was told.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
