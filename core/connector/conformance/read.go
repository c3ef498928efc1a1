package conformance

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"crmhub/core/connector"
)

// aspects are what is checked of every stream.
var aspects = []struct { //nolint:gochecknoglobals // a constant table
	name string
	able func(*probe) (Verdict, string)
	run  func(*probe)
}{
	{"abilities", nil, (*probe).abilities},
	{"identity", able(pulls), (*probe).identity},
	{"paging", able(pulls), (*probe).paging},
	{"cursor", able(pulls), (*probe).cursor},
	{"range", able(pulls, ranges), (*probe).bounds},
	{"changes behind a run", able(pulls, incremental, writes), (*probe).overlap},
	{"equality", able(writes), (*probe).equality},
	{"retry safety", able(writes, faults, finds), (*probe).retry},
	{"outcomes", able(writes, faults), (*probe).outcomes},
	{"idempotent create", able(writes, idempotent), (*probe).idempotence},
	{"several at once", able(writes), (*probe).several},
	{"refusals", able(writes, refusals), (*probe).refusals},
	{"deletion", able(writes, deletes), (*probe).deletion},
	{"what is not there", able(gets), (*probe).absence},
	{"cancelled calls", nil, (*probe).cancelled},
	{"closed sessions", nil, (*probe).closed},
}

// able asks each of the conditions; the first that does not hold is the verdict.
func able(conditions ...func(*probe) (Verdict, string)) func(*probe) (Verdict, string) {
	return func(p *probe) (Verdict, string) {
		for _, c := range conditions {
			if verdict, why := c(p); verdict != Passed {
				return verdict, why
			}
		}
		return Passed, ""
	}
}

func declared(can bool, what string) (Verdict, string) {
	if can {
		return Passed, ""
	}
	return Cannot, "it does not " + what
}

func pulls(p *probe) (Verdict, string) { return declared(p.declared.Pull, "pull") }
func incremental(p *probe) (Verdict, string) {
	return declared(p.declared.Incremental, "pull by changes")
}

func ranges(p *probe) (Verdict, string) { return declared(p.declared.Range, "read a range") }

func finds(p *probe) (Verdict, string)   { return declared(p.declared.Find, "find by reference") }
func gets(p *probe) (Verdict, string)    { return declared(p.declared.Get, "get by id") }
func deletes(p *probe) (Verdict, string) { return declared(p.declared.Delete, "delete") }
func idempotent(p *probe) (Verdict, string) {
	return declared(p.declared.Idempotent, "drop a repeated create; it is looked up instead")
}

func writes(p *probe) (Verdict, string) {
	if !p.declared.Push {
		return Cannot, "it does not push"
	}
	if p.stream.Data == nil {
		return NotAsked, "nothing is given to write"
	}
	return Passed, ""
}

func faults(p *probe) (Verdict, string) {
	if p.Faults == nil {
		return NotAsked, "the remote cannot be made to fail"
	}
	return Passed, ""
}

func refusals(p *probe) (Verdict, string) {
	if p.stream.Invalid == nil && len(p.stream.Refusals) == 0 {
		return NotAsked, "nothing is given that the remote refuses"
	}
	return Passed, ""
}

// abilities: what is declared is implemented.
func (p *probe) abilities() {
	s := p.session()
	_, puller := s.(connector.Puller)
	_, pusher := s.(connector.Pusher)
	_, finder := s.(connector.Finder)
	_, getter := s.(connector.Getter)
	for _, c := range []struct {
		ability       string
		declared, has bool
	}{
		{"Pull", p.declared.Pull, puller}, {"Push", p.declared.Push, pusher}, {"Find", p.declared.Find, finder}, {"Get", p.declared.Get, getter},
	} {
		if c.declared && !c.has {
			p.errorf("%s is declared and not implemented", c.ability)
		}
	}
}

const (
	pageSize = 2
	maxPages = 50 // of a system in use, only so much is read
)

// page is one page as it was read, and the cursor that it was read from.
type page struct {
	from json.RawMessage
	connector.Page
}

// pull reads a run in small pages.
func (p *probe) pull(s connector.Session, cursor json.RawMessage, size int) (pages []page) {
	return p.pullRange(s, cursor, size, time.Time{}, time.Time{})
}

// pullRange reads what changed in a range.
func (p *probe) pullRange(s connector.Session, cursor json.RawMessage, size int, since, until time.Time) (pages []page) {
	for more := true; more && len(pages) < maxPages; {
		got, err := s.(connector.Puller).Pull(p.ctx, connector.PullRequest{
			Stream: p.stream.Record, Cursor: cursor, Limit: size, Since: since, Until: until,
		})
		if err != nil {
			p.fatalf("pull: %v", err)
		}
		if len(got.Records) > 0 && got.Cursor == nil {
			p.fatalf("a page with records has no cursor")
		}
		pages = append(pages, page{cursor, got})
		cursor, more = got.Cursor, got.More
	}
	return pages
}

func end(pages []page) json.RawMessage { return pages[len(pages)-1].Cursor }

// byID are the records of some pages; each must be there once.
func (p *probe) byID(pages []page) map[string]connector.Record {
	seen := map[string]connector.Record{}
	for _, page := range pages {
		if page.Anew {
			clear(seen)
		}
		for _, r := range page.Records {
			if before, twice := seen[r.ID]; r.ID == "" || twice && (r.Version == "" || r.Version == before.Version) {
				p.errorf("record %q came twice in one version, or has no id", r.ID)
			}
			seen[r.ID] = r
		}
	}
	return seen
}

// seed writes records, so that there are some; all within the same second, as far as the remote is quick.
func (p *probe) seed(s connector.Session, n int) map[string]connector.Write {
	written := map[string]connector.Write{}
	if verdict, _ := writes(p); verdict != Passed {
		return written
	}
	for range n {
		w := p.creation()
		written[p.done(s, w).ID] = w
	}
	return written
}

// identity: a record has one id, by which it is the same however it is read.
func (p *probe) identity() {
	s := p.session()
	p.seed(s, 1)
	all := p.pull(s, nil, pageSize)
	checked := 0
	for id, r := range p.byID(all) {
		if r.Data == nil && !r.Deleted {
			p.errorf("%s has no data", id)
		}
		if !p.declared.Get || checked == 3 || r.Deleted {
			continue
		}
		checked++
		if again := p.get(s, id); again == nil || again.ID != id {
			p.errorf("what was pulled as %s is not got by that id", id)
		}
	}
}

// paging: whatever the size of the pages, every record is in one of them, those that changed at the same time too.
func (p *probe) paging() {
	s := p.session()
	written := p.seed(s, 5)
	var first map[string]connector.Record
	for _, size := range []int{pageSize, pageSize + 1, 100} {
		pages := p.pull(s, nil, size)
		seen := p.byID(pages)
		if pages[len(pages)-1].More {
			continue // more than the kit reads of a system in use
		}
		for id := range written {
			if _, ok := seen[id]; !ok {
				p.errorf("with pages of %d, %s was not pulled", size, id)
			}
		}
		if first == nil {
			first = seen
		}
		for id := range first {
			if _, ok := seen[id]; !ok {
				p.errorf("with pages of %d, %s is not there", size, id)
			}
		}
	}
}

// cursor: all state of a run is in the cursor, so any page can be read again, by another session.
func (p *probe) cursor() {
	s := p.session()
	p.seed(s, 5)
	pages := p.pull(s, nil, pageSize)
	for i, page := range pages {
		if i > 3 && i < len(pages)-1 {
			continue
		}
		other := p.session()
		again, err := other.(connector.Puller).Pull(p.ctx, connector.PullRequest{Stream: p.stream.Record, Cursor: page.from, Limit: pageSize})
		if err != nil {
			p.errorf("page %d again: %v", i+1, err)
			continue
		}
		there := map[string]bool{}
		for _, r := range again.Records {
			there[r.ID] = true
		}
		for _, r := range page.Records {
			if !there[r.ID] {
				p.errorf("page %d, read again from its cursor, lacks %s", i+1, r.ID)
			}
		}
	}
	if _, err := s.(connector.Puller).Pull(p.ctx, connector.PullRequest{Stream: p.stream.Record, Cursor: json.RawMessage(`"no cursor"`)}); err == nil {
		p.errorf("a cursor that is none was taken")
	}
}

// bounds: a range has what changed last at its beginning or later and before its end, and nothing else.
func (p *probe) bounds() {
	s := p.session()
	p.seed(s, 5)
	pages := p.pull(s, nil, 100)
	all := p.byID(pages)
	var times []time.Time
	for id, r := range all {
		if r.UpdatedAt.IsZero() {
			p.errorf("%s does not say when it changed, so nobody knows to which range it belongs", id)
			continue
		}
		times = append(times, r.UpdatedAt)
	}
	if len(times) == 0 {
		return
	}
	slices.SortFunc(times, time.Time.Compare)
	first, middle, last := times[0], times[len(times)/2], times[len(times)-1]
	whole := !pages[len(pages)-1].More // else it holds more than the kit reads, and only what comes can be judged
	for _, r := range []struct{ since, until time.Time }{
		{since: first}, {since: middle}, {since: last}, {until: first}, {until: middle}, {until: last}, {since: first, until: last}, {since: middle, until: middle},
	} {
		within := func(at time.Time) bool { return !at.Before(r.since) && (r.until.IsZero() || at.Before(r.until)) }
		name := "from " + r.since.Format(time.RFC3339Nano) + " until " + r.until.Format(time.RFC3339Nano)
		got := p.byID(p.pullRange(s, nil, 100, r.since, r.until))
		for id, record := range got {
			if !within(record.UpdatedAt) {
				p.errorf("the range %s has %s, which changed at %s", name, id, record.UpdatedAt.Format(time.RFC3339Nano))
			}
		}
		for id, record := range all {
			if _, ok := got[id]; whole && !ok && within(record.UpdatedAt) {
				p.errorf("the range %s lacks %s, which changed at %s", name, id, record.UpdatedAt.Format(time.RFC3339Nano))
			}
		}
	}
	small := p.byID(p.pullRange(s, nil, pageSize, first, time.Time{}))
	for id := range all {
		if _, ok := small[id]; whole && !ok && !p.cut(small) {
			p.errorf("with pages of %d, the range lacks %s", pageSize, id)
		}
	}
}

// cut reports whether so many records came in the smallest pages that the kit stopped reading.
func (p *probe) cut(records map[string]connector.Record) bool {
	return len(records) >= pageSize*maxPages
}

// overlap: what changes while a run reads, behind it, is read by the next. The run is one that follows another, since the first one
// of a system in use reads all it holds; and its pages are as large as they must be, for many systems keep to the size they began with.
func (p *probe) overlap() {
	s := p.session()
	all := p.pull(s, nil, 100)
	if all[len(all)-1].More {
		p.fatalf("the system holds more than the kit reads; run it against one for tests")
	}
	written := p.seed(s, 4)
	const look = 10 // pages for one that the run is past
	size := max(pageSize, len(p.byID(p.pull(s, end(all), 100)))/look)
	first := connector.Page{Cursor: end(all)}
	id := slices.Sorted(maps.Keys(written))[0]
	for n, past := 0, false; !past && n < look && (n == 0 || first.More); n++ {
		var err error
		first, err = s.(connector.Puller).Pull(p.ctx, connector.PullRequest{Stream: p.stream.Record, Cursor: first.Cursor, Limit: size})
		if err != nil {
			p.fatalf("pull: %v", err)
		}
		for _, r := range first.Records {
			if _, ours := written[r.ID]; ours {
				id, past = r.ID, true
			}
		}
	}
	changed := p.change(s, id, written[id])
	fresh := p.creation()
	freshID := p.done(s, fresh).ID
	cursor, read := first.Cursor, map[string]connector.Record{}
	if first.More {
		behind := p.pull(s, cursor, 100) // it may come in this run already
		if behind[len(behind)-1].More {
			p.fatalf("the system holds more than the kit reads; run it against one for tests")
		}
		cursor, read = end(behind), p.byID(behind)
	}
	maps.Copy(read, p.byID(p.pull(s, cursor, 100)))
	if r, ok := read[id]; !ok || !p.stream.Same(changed.Data, r.Data) {
		p.errorf("what changed behind a run was not read: %v", r.Data)
	}
	if _, ok := read[freshID]; !ok {
		p.errorf("what was created behind a run was not read")
	}
}
