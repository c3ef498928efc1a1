package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
)

// The document is rendered once: what is served cannot differ from it later.
func (s *server) describe() error {
	asJSON, err := json.MarshalIndent(s.document.openapi, "", "  ")
	if err != nil {
		return fmt.Errorf("write the OpenAPI document: %w", err)
	}
	asYAML, err := s.document.openapi.YAML()
	if err != nil {
		return fmt.Errorf("write the OpenAPI document: %w", err)
	}
	var page bytes.Buffer
	lines := make([]line, len(s.routes))
	for i, r := range s.routes {
		lines[i] = line{r.at(), r.summary}
	}
	index, err := template.New("index").Parse(indexPage)
	if err == nil {
		err = index.Execute(&page, lines)
	}
	if err != nil {
		return fmt.Errorf("write the list of routes: %w", err)
	}
	s.mux.Handle("GET "+prefix+"/openapi.json", static("application/openapi+json", asJSON))
	s.mux.Handle("GET "+prefix+"/openapi.yaml", static("application/openapi+yaml", asYAML))
	s.mux.Handle("GET "+prefix+"/{$}", static("text/html; charset=utf-8", page.Bytes()))
	return nil
}

func static(mediaType string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write(body) // the client went away
	}
}

// line is a route on the page.
type line struct{ Pattern, Summary string }

// indexPage needs neither script nor style: the document is for tools, this is for finding it.
const indexPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>crmhub API</title>
<h1>crmhub API</h1>
<p>OpenAPI 3.1: <a href="openapi.json">openapi.json</a>, <a href="openapi.yaml">openapi.yaml</a></p>
<table>{{range .}}
<tr><td><code>{{.Pattern}}</code><td>{{.Summary}}{{end}}
</table>
`
