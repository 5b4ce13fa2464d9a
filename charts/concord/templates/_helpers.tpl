{{- define "concord.name" -}}
{{- if contains "concord" .Release.Name }}{{ .Release.Name | trunc 50 }}{{ else }}{{ printf "%s-concord" .Release.Name | trunc 50 }}{{ end }}-operator
{{- end }}

{{- define "concord.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "concord.selector" -}}
app.kubernetes.io/name: concord-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "concord.labels" -}}
{{ include "concord.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
