package recorded

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"crmhub/core/schema"
)

// remote answers as recorded, and keeps how requests differ.
type remote struct {
	update  bool
	address string

	mutex  sync.Mutex
	step   *Step
	open   []*Exchange // of the step, not yet made
	faults []string
}

func (r *remote) begin(s *Step) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.step, r.open, r.faults = s, slices.Clone(s.Exchanges), nil
}

func (r *remote) end() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, e := range r.open {
		r.faults = append(r.faults, "was not asked: "+firstLine(e.Request))
	}
	return r.faults
}

// silent are headers that say nothing about the connector.
var silent = []string{"Accept", "Accept-Encoding", "Connection", "Content-Length", "User-Agent"} //nolint:gochecknoglobals // a constant

func (r *remote) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // the client went
	}
	got, err := r.written(q, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e := r.match(q, got)
	if e == nil {
		http.Error(w, "not recorded", http.StatusTeapot)
		return
	}
	answer(w, strings.ReplaceAll(e.Response, "{{url}}", r.address))
}

// match finds the exchange that a request belongs to: the first open one with all the same, else with its method and path.
func (r *remote) match(q *http.Request, got string) *Exchange {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	i := slices.IndexFunc(r.open, func(e *Exchange) bool { return e.Request == got })
	if i < 0 {
		i = slices.IndexFunc(r.open, func(e *Exchange) bool {
			return firstLine(e.Request) == q.Method+" "+q.URL.EscapedPath()
		})
		if i < 0 {
			r.faults = append(r.faults, "is not recorded:\n"+got)
			return nil
		}
		if r.update {
			r.open[i].Request = got
		} else {
			r.faults = append(r.faults, fmt.Sprintf("the request is\n%s\nrecorded is\n%s", got, r.open[i].Request))
		}
	}
	e := r.open[i]
	r.open = slices.Delete(r.open, i, i+1)
	return e
}

// written is a request as recordings show it.
func (r *remote) written(q *http.Request, body []byte) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", q.Method, q.URL.EscapedPath())
	query := q.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, value := range query[name] {
			fmt.Fprintf(&b, "?%s=%s\n", name, strings.ReplaceAll(value, "\n", `\n`))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(q.Header)) {
		if !slices.Contains(silent, name) {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(q.Header[name], ", "))
		}
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return b.String(), nil
	}
	b.WriteByte('\n')
	if doc, err := schema.DecodeJSON(body); err == nil {
		if body, err = pretty(doc); err != nil {
			return "", err
		}
	} else {
		body = append(bytes.TrimSpace(body), '\n')
	}
	b.Write(body)
	return strings.ReplaceAll(b.String(), r.address, "{{url}}"), nil
}

// answer writes a recorded response: a status, headers, an empty line, a body.
func answer(w http.ResponseWriter, text string) {
	head, body, _ := strings.Cut(text, "\n\n")
	status, headers, _ := strings.Cut(strings.TrimSpace(head), "\n")
	code, err := strconv.Atoi(strings.Fields(status + " x")[0])
	if err != nil {
		code = http.StatusTeapot
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Date", "Fri, 27 Nov 2026 10:00:00 GMT")
	for line := range strings.Lines(headers) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			w.Header().Add(name, strings.TrimSpace(value))
		}
	}
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body) // the client may have gone
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// anonymous takes the address, which is another one each time, out of a result.
func (r *remote) anonymous(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, r.address, "{{url}}")
	case []any:
		for i := range v {
			v[i] = r.anonymous(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = r.anonymous(v[k])
		}
	}
	return v
}
