package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// scope is what the placeholders of one call see.
type scope struct {
	ctx     context.Context //nolint:containedctx // a scope lives for one call and lookups need it
	session *session
	values  map[string]any // of the login in force

	data          map[string]any
	record        map[string]any
	reference     string
	id            string
	ids           []any
	remoteVersion string
	answer        any
	key           string
	items         []any
	rpcMethod     any
	rpcParams     any
	fields        []any

	limit        int
	page, offset *int64
	after        any
	cursor       any
	since, until *time.Time

	each *element
}

// element is where $each is.
type element struct {
	item  any
	index int
}

// roots are the names a path may start with. Which of them are known depends on the place.
var roots = map[string]func(*scope) (any, bool){ //nolint:gochecknoglobals // a constant table
	"config":         func(s *scope) (any, bool) { return s.session.options.Config, true },
	"secret":         func(s *scope) (any, bool) { return s.session.secrets, true },
	"session":        func(s *scope) (any, bool) { return s.values, s.values != nil },
	"data":           func(s *scope) (any, bool) { return s.data, s.data != nil },
	"record":         func(s *scope) (any, bool) { return s.record, s.record != nil },
	"reference":      func(s *scope) (any, bool) { return s.reference, s.reference != "" },
	"id":             func(s *scope) (any, bool) { return s.id, s.id != "" },
	"ids":            func(s *scope) (any, bool) { return s.ids, s.ids != nil },
	"remote_version": func(s *scope) (any, bool) { return s.remoteVersion, s.remoteVersion != "" },
	"answer":         func(s *scope) (any, bool) { return s.answer, s.answer != nil },
	"key":            func(s *scope) (any, bool) { return s.key, true },
	"items":          func(s *scope) (any, bool) { return s.items, s.items != nil },
	"rpc": func(s *scope) (any, bool) {
		return map[string]any{"method": s.rpcMethod, "params": s.rpcParams}, true
	},
	"fields": func(s *scope) (any, bool) { return s.fields, s.fields != nil },
	"limit":  func(s *scope) (any, bool) { return s.limit, s.limit > 0 },
	"page":   func(s *scope) (any, bool) { return counted(s.page) },
	"offset": func(s *scope) (any, bool) { return counted(s.offset) },
	"after":  func(s *scope) (any, bool) { return s.after, s.after != nil },
	"cursor": func(s *scope) (any, bool) { return s.cursor, s.cursor != nil },
	"since":  func(s *scope) (any, bool) { return instant(s.since) },
	"until":  func(s *scope) (any, bool) { return instant(s.until) },
	"item": func(s *scope) (any, bool) {
		if s.each == nil {
			return nil, false
		}
		return s.each.item, true
	},
	"index": func(s *scope) (any, bool) {
		if s.each == nil {
			return nil, false
		}
		return s.each.index, true
	},
}

func counted(n *int64) (any, bool) {
	if n == nil {
		return nil, false
	}
	return *n, true
}

// number keeps a YAML number exactly, where JSON can write it.
func number(src string) (any, error) {
	if !json.Valid([]byte(src)) {
		return nil, fmt.Errorf("%s is no number that JSON knows", src)
	}
	return json.Number(src), nil
}

func instant(t *time.Time) (any, bool) {
	if t == nil {
		return nil, false
	}
	return t.UTC().Format(time.RFC3339Nano), true
}
