package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// Lists that are read by counting move while they are read: when a record leaves an earlier page, the first of the next page
// takes the last place of a page that was read already. Pages by offset therefore begin at the last record of the page before,
// and step back until they find one that was read. Page numbers cannot overlap; a list of several such pages is read
// until two readings after each other gave the same.
const (
	anchors   = 8 // the last records of a page, by one of which the next must be connected with it
	steps     = 8 // pages that are stepped back before the list begins anew
	mostTries = 5 // times that a list begins anew in one run
)

// place is where in a list the next page begins; it is part of the cursor.
type place struct {
	Limit  int    `json:"limit,omitempty"` // the size the run began with: page numbers mean nothing without it
	Number int64  `json:"number,omitempty"`
	After  any    `json:"after,omitempty"`
	Cursor any    `json:"cursor,omitempty"`
	Next   string `json:"next,omitempty"`

	// Where pages are counted.
	Ends  string   `json:"ends,omitempty"`  // of the page before
	Last  []string `json:"last,omitempty"`  // ids that end the page before, the last one only where pages have numbers
	Tries int      `json:"tries,omitempty"` // how often the run began the list anew
	Again bool     `json:"again,omitempty"` // it did

	// Where pages have numbers.
	Seen  string `json:"seen,omitempty"`  // digest of the ids of this reading
	Moved bool   `json:"moved,omitempty"` // in this reading a page began before the end of the one before
	Prior string `json:"prior,omitempty"` // digest of the reading before, if that did not move

	stepped int
}

// begun reports whether a part of the list has been read.
func (p *place) begun() bool {
	return p.Number > 0 || p.After != nil || p.Cursor != nil || p.Next != ""
}

// endsOf names a page of several records by its first and last.
func endsOf(ids []string) string {
	if len(ids) < 2 {
		return ""
	}
	return ids[0] + " " + ids[len(ids)-1]
}

// ids are those of the rows of a list, "" where one cannot be read.
func (st *stream) ids(list []any) []string {
	ids := make([]string, len(list))
	for i, row := range list {
		if r, err := st.toRecord(row); err == nil {
			ids[i] = r.ID
		}
	}
	return ids
}

// read reports whether the page before ended with the record.
func (p *place) read(id string) bool { return id != "" && slices.Contains(p.Last, id) }

// torn reports whether a page that should overlap the one before does not, so that something may lie between them.
func (p *place) torn(ids []string) bool {
	return p.Seen == "" && p.Number > 0 && len(p.Last) > 0 && !slices.ContainsFunc(ids, p.read)
}

// back steps back by a page that overlaps the one that was asked for, or to the beginning.
func (p *place) back() {
	p.Ends = ""
	p.Number = max(0, p.Number-int64(p.Limit-1))
	if p.stepped++; p.stepped >= steps {
		p.Number = 0
	}
	if p.Number == 0 {
		p.Tries++
	}
}

// unread are the rows that the page before did not end with.
func (p *place) unread(list []any, ids []string) []any {
	if p.Seen != "" || p.Number == 0 || len(p.Last) == 0 {
		return list
	}
	some := make([]any, 0, len(list))
	for i, row := range list {
		if !p.read(ids[i]) {
			some = append(some, row)
		}
	}
	return some
}

// behind makes p the place after a page by offset: at its last record.
func (p *place) behind(at place, ids []string) {
	p.Tries, p.Number = at.Tries, at.Number+int64(len(ids))
	for _, id := range ids[max(0, len(ids)-anchors):] {
		if id != "" {
			p.Last = append(p.Last, id)
		}
	}
	if len(ids) < 2 { // it would be the same page again
		p.Last = nil
	}
	if len(p.Last) > 0 {
		p.Number--
	}
}

// beside makes p the place after a page with a number.
func (p *place) beside(at place, ids []string) {
	p.Tries, p.Again, p.Prior = at.Tries, at.Again, at.Prior
	p.Number, p.Seen, p.Moved = at.Number+1, at.seen(ids), at.moved(ids)
	if len(ids) > 0 {
		p.Last = []string{ids[len(ids)-1]}
	}
}

func (p *place) seen(ids []string) string {
	sum := sha256.Sum256([]byte(p.Seen + " " + strings.Join(ids, " ")))
	return hex.EncodeToString(sum[:])
}

func (p *place) moved(ids []string) bool { return p.Moved || slices.ContainsFunc(ids, p.read) }

// again is where a list of numbered pages is begun anew after its last page, nil if it was read in one page or gave what it
// had given before: what left meanwhile would be missing, what pushed others to the next page would have given them twice.
func (p *place) again(ids []string) *place {
	seen, moved := p.seen(ids), p.moved(ids)
	if p.Number == 0 || !moved && seen == p.Prior {
		return nil
	}
	next := &place{Limit: p.Limit, Tries: p.Tries + 1, Again: true}
	if !moved {
		next.Prior = seen
	}
	return next
}

// unsteady is the doubt about a list that was never read without a record leaving or entering it.
func unsteady(st *stream) error {
	return &connector.Doubt{
		Message: fmt.Sprintf("the list of %s changed each time that it was read, %d times: some of it may be missing", st.record, mostTries),
		Said:    schema.Say("list_moves", st.record, mostTries),
	}
}
