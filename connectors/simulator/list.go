package simulator

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const maxPage = 500

// list answers ?external_ref=… with all records of that reference; and ?changed_from=…&limit=… with those changed at
// that time or later, oldest change first, page by page: each but the last names a cursor to go on from.
func list[T any](mu *sync.RWMutex, show func(r *http.Request, records []T, cursor string) any, t *table[T]) handler {
	return func(r *http.Request) answer {
		q := r.URL.Query()
		if q.Has("external_ref") {
			mu.RLock()
			defer mu.RUnlock()
			return answer{status: http.StatusOK, body: show(r, t.referenced(q.Get("external_ref")), "")}
		}
		from, limit, bad := window(q)
		if bad != nil {
			return *bad
		}
		mu.RLock()
		defer mu.RUnlock()
		found, last, more := t.after(from, limit)
		cursor := ""
		if more {
			cursor = cursorOf(last)
		}
		return answer{status: http.StatusOK, body: show(r, found, cursor), list: true}
	}
}

func window(q url.Values) (from place, limit int, bad *answer) {
	refusal := func(field, text string) *answer {
		a := refuse(http.StatusBadRequest, "BAD_PARAMETER", field, text)
		return &a
	}
	limit = maxPage
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return from, 0, refusal("limit", "it must be a positive number")
		}
		limit = min(n, maxPage)
	}
	if text := q.Get("cursor"); text != "" {
		from, err := placeOf(text)
		if err != nil {
			return from, 0, refusal("cursor", "it must be one this list gave")
		}
		return from, limit, nil
	}
	if text := q.Get("changed_from"); text != "" {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return from, 0, refusal("changed_from", "it must be a time like 2006-01-02T15:04:05Z")
		}
		from.changed = t
	}
	return from, limit, nil
}

func cursorOf(p place) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s/%d", p.changed.Format(stampForm), p.seq))
}

func placeOf(cursor string) (place, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return place{}, err
	}
	changed, seq, _ := strings.Cut(string(b), "/")
	t, err := time.Parse(stampForm, changed)
	if err != nil {
		return place{}, err
	}
	n, err := strconv.Atoi(seq)
	return place{t, n}, err
}

// erpPage names the cursor alone: {"data": […], "next": "…"}.
func erpPage[T any](_ *http.Request, records []T, cursor string) any {
	return struct {
		Data []T    `json:"data"`
		Next string `json:"next,omitempty"`
	}{records, cursor}
}

// financePage names the next page's address: {"items": […], "next_url": "http://…"}.
func financePage[T any](r *http.Request, records []T, cursor string) any {
	p := struct {
		Items []T    `json:"items"`
		Next  string `json:"next_url,omitempty"`
	}{Items: records}
	if cursor != "" {
		q := url.Values{"cursor": {cursor}}
		if limit := r.URL.Query().Get("limit"); limit != "" {
			q.Set("limit", limit)
		}
		p.Next = "http://" + r.Host + r.URL.Path + "?" + q.Encode()
	}
	return p
}
