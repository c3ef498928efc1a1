package console

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Pages and assets are sent compressed to browsers that take it, as all do: a table repeats itself. What answers a form is
// not, since it may hold a secret beside what was sent, from whose length one could tell it.

// compressors are kept: one has 800 KB of tables.
var compressors = sync.Pool{New: func() any { //nolint:gochecknoglobals // a pool is for all
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails for an unknown level only
	return w
}}

// compressed is a body as gzip writes it.
func compressed(body []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(body) / 4)
	w, _ := compressors.Get().(*gzip.Writer)
	defer compressors.Put(w)
	w.Reset(&b)
	_, _ = w.Write(body) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// takesGzip reports whether a request may be answered compressed.
func takesGzip(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return false
	}
	for coding := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(coding), ";")
		if strings.TrimSpace(name) == "gzip" {
			q, given := strings.CutPrefix(strings.TrimSpace(weight), "q=")
			least, err := strconv.ParseFloat(q, 64)
			return !given || err == nil && least > 0
		}
	}
	return false
}

// send writes a body of text, compressed if the browser takes that.
func send(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	if takesGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = compressed(body)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the browser may have gone
}
