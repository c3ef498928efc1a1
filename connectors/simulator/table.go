package simulator

import (
	"slices"
	"sort"
	"time"
)

// table holds the records of one kind: by id, by client reference, and in the order of their last change. A stored
// record is never written again but replaced, so readers may keep it. The system's lock guards it.
type table[T any] struct {
	rows        []*row[T] // by creation
	byID        map[string]*row[T]
	byReference map[string][]*row[T]
	byKey       map[string]*row[T] // idempotency keys of creates
	changes     []change[T]        // by (changed, seq); those of a row that changed again are stale
}

// row is what the table knows of a record besides its content.
type row[T any] struct {
	id        string
	seq       int
	reference string
	rev       int64
	changed   time.Time
	data      T
}

type change[T any] struct {
	changed time.Time
	row     *row[T]
}

func (c change[T]) stale() bool { return !c.changed.Equal(c.row.changed) }

// place is where in the order of changes somebody has read to.
type place struct {
	changed time.Time
	seq     int
}

func newTable[T any]() *table[T] {
	return &table[T]{byID: make(map[string]*row[T]), byReference: make(map[string][]*row[T]), byKey: make(map[string]*row[T])}
}

// next is the number of the next record, from 1.
func (t *table[T]) next() int { return len(t.rows) + 1 }

// put stores a row, new or changed. Rows changed at the same time are to be put in the order of their numbers, and
// times never go back.
func (t *table[T]) put(r *row[T], reference string, changed time.Time) {
	if r.rev == 0 {
		r.seq = t.next()
		t.rows = append(t.rows, r)
		t.byID[r.id] = r
	}
	if reference != r.reference {
		t.byReference[r.reference] = slices.DeleteFunc(t.byReference[r.reference], func(o *row[T]) bool { return o == r })
		t.byReference[reference] = append(t.byReference[reference], r)
		r.reference = reference
	}
	r.rev++
	r.changed = changed
	t.changes = append(t.changes, change[T]{changed, r})
	if len(t.changes) > 2*len(t.rows)+1000 {
		t.changes = slices.DeleteFunc(t.changes, change[T].stale)
	}
}

// after returns up to limit rows that changed after a place, the place to go on from, and whether there are more.
func (t *table[T]) after(p place, limit int) (found []T, last place, more bool) {
	begin := sort.Search(len(t.changes), func(i int) bool {
		c := t.changes[i]
		return c.changed.After(p.changed) || c.changed.Equal(p.changed) && c.row.seq > p.seq
	})
	found, last = []T{}, p
	for _, c := range t.changes[begin:] {
		if c.stale() {
			continue
		}
		if len(found) == limit {
			return found, last, true
		}
		found, last = append(found, c.row.data), place{c.changed, c.row.seq}
	}
	return found, last, false
}

// referenced returns the records created with a client reference.
func (t *table[T]) referenced(reference string) []T {
	found := []T{}
	for _, r := range t.byReference[reference] {
		found = append(found, r.data)
	}
	return found
}

// clock gives each change a later time than the one before, in microseconds.
type clock struct {
	now  func() time.Time
	last time.Time
}

func (c *clock) next() time.Time {
	t := c.now().UTC().Truncate(time.Microsecond)
	if !t.After(c.last) {
		t = c.last.Add(time.Microsecond)
	}
	c.last = t
	return t
}

// stamp is a time as both systems print it.
type stamp time.Time

const stampForm = "2006-01-02T15:04:05.000000Z"

// MarshalText prints UTC with microseconds.
func (s stamp) MarshalText() ([]byte, error) {
	return time.Time(s).AppendFormat(nil, stampForm), nil
}

// UnmarshalText reads RFC 3339.
func (s *stamp) UnmarshalText(b []byte) error {
	t, err := time.Parse(time.RFC3339Nano, string(b))
	*s = stamp(t)
	return err
}
