package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"strconv"
)

// answer is a successful outcome, ready to be sent or kept for a repeated request.
type answer struct {
	Status   int
	ETag     string
	Location string
	Body     []byte // JSON; nil if there is none
	Replayed bool
	file     *file // instead of Body
}

// file is an answer that is sent as it is read.
type file struct {
	name      string
	mediaType string
	size      int64 // 0 if it is not known before
	send      func(w io.Writer) error
}

// respond returns an answer with v as its body.
func respond(status int, v any) (answer, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return answer{}, fmt.Errorf("encode the answer: %w", err)
	}
	return answer{Status: status, Body: b.Bytes()}, nil
}

// ok is the answer to what was found or done, its body v, unless that failed.
func ok(v any, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	return respond(http.StatusOK, v)
}

func (a answer) write(w http.ResponseWriter) {
	h := w.Header()
	for name, value := range map[string]string{"ETag": a.ETag, "Location": a.Location} {
		if value != "" {
			h.Set(name, value)
		}
	}
	if a.Replayed {
		h.Set("Idempotency-Replayed", "true")
	}
	if a.file != nil {
		a.file.write(w, a.Status)
		return
	}
	if a.Body != nil {
		h.Set("Content-Type", jsonType)
		h.Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the client went away: the access log has the request
}

// write sends a file. What fails after the first byte can only be told by ending the connection.
func (f *file) write(w http.ResponseWriter, status int) {
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.name}))
	if f.size > 0 {
		h.Set("Content-Length", strconv.FormatInt(f.size, 10))
	}
	w.WriteHeader(status)
	if err := f.send(w); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func (p *Problem) write(w http.ResponseWriter) {
	b, err := json.Marshal(p)
	if err != nil {
		b = []byte(`{}`)
	}
	h := w.Header()
	maps.Copy(h, p.header)
	h.Set("Content-Type", problemJSON)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(p.Status)
	_, _ = w.Write(b)
}
