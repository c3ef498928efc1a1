package rest

import (
	"encoding/json"
	"net/url"
	"strings"
)

// pagePlan is how a list is read in parts.
type pagePlan struct {
	by    string // none, page, offset, cursor, next, link, keyset
	size  int
	first int64
	next  pointer
	key   pointer
	more  *pointer
}

func (c *compiler) page(at placed[pageManifest]) pagePlan {
	m := at.Value
	p := pagePlan{by: orDefault(m.By, "none"), size: m.Size}
	if p.by == "page" {
		p.first = 1
	}
	if m.First != nil {
		p.first = *m.First
	}
	p.next, p.key, p.more = c.pointer(m.Next), c.pointer(m.Key), c.maybe(m.More)
	if (p.by == "cursor" || p.by == "next") != m.Next.Set {
		c.faults.add(at.Line, "next says where the answer has the next page, for pages by cursor or next only")
	}
	if (p.by == "keyset") != m.Key.Set {
		c.faults.add(at.Line, "key says by which value pages follow each other, for pages by keyset only")
	}
	if p.by != "none" && p.size == 0 {
		c.faults.add(at.Line, "size is missing: how many records to ask for at most")
	}
	return p
}

// show puts the place into the scope of a request.
func (p pagePlan) show(at *place, sc *scope) {
	sc.limit = at.Limit
	switch p.by {
	case "page":
		number := p.first + at.Number
		sc.page = &number
	case "offset":
		number := p.first + at.Number
		sc.offset = &number
	case "cursor":
		sc.cursor = at.Cursor
	case "keyset":
		sc.after = at.After
	}
}

// follow returns the place after a page, nil where the list ends. A place is stored, so addresses are laid bare of credentials.
func (p pagePlan) follow(at place, a *answer, list []any, ids []string, bare func(*url.URL) string) (*place, error) {
	next := place{Limit: at.Limit}
	full := len(list) > 0 && len(list) >= at.Limit
	if p.more != nil {
		v, _ := p.more.in(a.body)
		full = len(list) > 0 && truth(v)
	}
	switch p.by {
	case "page", "offset":
		if next.Ends = endsOf(ids); full && next.Ends != "" && next.Ends == at.Ends {
			return nil, wrongShape("the remote gave the same page again")
		}
		if p.by == "page" {
			next.beside(at, ids)
		} else {
			next.behind(at, ids)
		}
	case "keyset":
		if !full {
			return nil, nil
		}
		v, ok := p.key.in(list[len(list)-1])
		if _, err := text(v); !ok || v == nil || err != nil {
			return nil, wrongShape("the last record of a page has no key to go on from")
		}
		if next.After = v; sameJSON(v, at.After) {
			return nil, wrongShape("the remote gave the same page again")
		}
	case "cursor":
		v, _ := p.next.in(a.body)
		if str, err := text(v); err != nil || str == "" || str == "false" {
			return nil, nil //nolint:nilerr // the end is written in many ways
		}
		next.Cursor, full = v, true
		if p.more != nil {
			more, _ := p.more.in(a.body)
			full = truth(more)
		}
		if sameJSON(next.Cursor, at.Cursor) {
			return nil, wrongShape("the remote gave the same cursor again")
		}
	case "next", "link":
		given := linkNext(a.header.Values("Link"))
		if p.by == "next" {
			v, _ := p.next.in(a.body)
			given, _ = text(v) // a value of another kind is no URL
		}
		if given == "" {
			return nil, nil
		}
		u, err := a.address.Parse(given)
		if err != nil {
			return nil, wrongShape("the address of the next page is not valid")
		}
		next.Next, full = bare(u), true
		if next.Next == bare(a.address) {
			return nil, wrongShape("the remote gave the same page again")
		}
	default:
		full = false
	}
	if !full {
		return nil, nil
	}
	return &next, nil
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// linkNext finds rel="next" in Link headers (RFC 8288).
func linkNext(headers []string) string {
	for _, header := range headers {
		for header != "" {
			_, rest, found := strings.Cut(header, "<")
			if !found {
				break
			}
			target, rest, found := strings.Cut(rest, ">")
			if !found {
				break
			}
			parameters := rest
			if i := strings.Index(rest, ",<"); i >= 0 {
				parameters, header = rest[:i], rest[i+1:]
			} else if i := strings.Index(rest, ", <"); i >= 0 {
				parameters, header = rest[:i], rest[i+1:]
			} else {
				header = ""
			}
			for parameter := range strings.SplitSeq(parameters, ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
				if strings.EqualFold(name, "rel") && strings.Trim(strings.TrimSpace(value), `",`) == "next" {
					return target
				}
			}
		}
	}
	return ""
}
