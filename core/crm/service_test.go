package crm_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/crm"
)

func TestActivityMovesTheCustomersContacts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	customer := &crm.Customer{Name: "Alpha", Addresses: []crm.CustomerAddress{{Kind: "bill"}}}
	s.save(t, customer)
	day := func(n int) time.Time { return time.Date(2026, 5, n, 9, 0, 0, 0, time.UTC) }
	type state struct {
		Last, Next string
		Version    int64
	}
	show := func(at *time.Time) string {
		if at == nil {
			return ""
		}
		return at.Format("01-02")
	}
	for _, step := range []struct {
		name string
		kind string
		at   int
		next int
		want state
	}{
		{"a note", "note", 1, 9, state{"", "", 1}},
		{"a call", "call", 2, 0, state{"05-02", "", 2}},
		{"a visit with an appointment", "visit", 3, 10, state{"05-03", "05-10", 3}},
		{"an older e-mail", "email", 1, 20, state{"05-03", "05-10", 3}},
		{"a call before the appointment", "call", 5, 0, state{"05-05", "05-10", 4}},
		{"the appointment is kept", "meeting", 11, 0, state{"05-11", "", 5}},
	} {
		a := &crm.Activity{Type: step.kind, Subject: step.name, CustomerID: customer.ID, At: day(step.at)}
		if step.next > 0 {
			a.NextContactAt = new(day(step.next))
		}
		s.save(t, a)
		c := s.get(t, customer).(*crm.Customer)
		if diff := cmp.Diff(step.want, state{show(c.LastContactAt), show(c.NextContactAt), c.Version}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		if len(c.Addresses) != 1 {
			t.Fatalf("%s: the customer has %d addresses", step.name, len(c.Addresses))
		}
	}
	// A word corrected later says nothing new of contacts.
	again := s.list(t, crm.KindActivity, crm.Query{Text: "the appointment is kept"}).Items[0].(*crm.Activity)
	again.Content = "They were glad."
	s.save(t, again)
	if c := s.get(t, customer).(*crm.Customer); c.Version != 5 {
		t.Errorf("a corrected word made version %d of the customer", c.Version)
	}
	wantRules(t, s.trySave(t, s.by(), &crm.Activity{Type: "visit", Subject: "x", CustomerID: customer.ID, At: time.Now().Add(48 * time.Hour)}), "/at maximum")
	// Several in one batch count as one write of the customer, whatever their order.
	s.save(t,
		&crm.Activity{Type: "call", Subject: "late", CustomerID: customer.ID, At: day(22)},
		&crm.Activity{Type: "call", Subject: "early", CustomerID: customer.ID, At: day(21)},
	)
	if c := s.get(t, customer).(*crm.Customer); show(c.LastContactAt) != "05-22" || c.Version != 6 {
		t.Errorf("after a batch: last contact %s in version %d", show(c.LastContactAt), c.Version)
	}
}

func TestActivitiesSavedAtOnceAllCount(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	customer := &crm.Customer{Name: "Alpha"}
	s.save(t, customer)
	const writers = 5
	errs := make(chan error)
	for i := range writers {
		go func() {
			errs <- s.trySave(t, s.by(), &crm.Activity{Type: "call", Subject: "x", CustomerID: customer.ID, At: time.Date(2026, 5, 1+i, 0, 0, 0, 0, time.UTC)})
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if c := s.get(t, customer).(*crm.Customer); c.LastContactAt == nil || c.LastContactAt.Day() != writers {
		t.Errorf("last contact is %v, want the newest of all", c.LastContactAt)
	}
}

func TestTicketKeepsItsTimes(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	at := time.Date(2026, 5, 6, 8, 0, 0, 0, time.UTC)
	forward := s.clock(at)
	customer := &crm.Customer{Name: "Alpha"}
	s.save(t, customer)
	owner := s.user(t)
	ticket := &crm.Ticket{Subject: "Leaks", CustomerID: customer.ID}
	byHand := &crm.Ticket{Subject: "Leaks", CustomerID: customer.ID, ResolveDue: new(at.Add(time.Minute))}
	s.save(t, ticket)
	s.save(t, byHand)
	type times struct{ Respond, Resolve, Responded, Resolved, Closed string }
	show := func(at *time.Time) string {
		if at == nil {
			return ""
		}
		return at.Format("02 15:04")
	}
	timesOf := func(e crm.Entity) times {
		g := s.get(t, e).(*crm.Ticket)
		return times{show(g.FirstResponseDue), show(g.ResolveDue), show(g.FirstRespondedAt), show(g.ResolvedAt), show(g.ClosedAt)}
	}
	for _, step := range []struct {
		name   string
		change func()
		want   times
	}{
		{"normal", func() {}, times{"06 16:00", "09 08:00", "", "", ""}},
		{"urgent", func() { ticket.Priority = "urgent" }, times{"06 09:00", "06 16:00", "", "", ""}},
		{"assigned", func() { ticket.Status, ticket.OwnerID = "assigned", &owner }, times{"06 09:00", "06 16:00", "", "", ""}},
		{"pending", func() { ticket.Status = "pending" }, times{"06 09:00", "06 16:00", "06 09:00", "", ""}},
		{"resolved", func() { ticket.Status = "resolved" }, times{"06 09:00", "06 16:00", "06 09:00", "06 10:00", ""}},
		{"assigned again", func() { ticket.Status = "assigned" }, times{"06 09:00", "06 16:00", "06 09:00", "", ""}},
		{"resolved again", func() { ticket.Status = "resolved" }, times{"06 09:00", "06 16:00", "06 09:00", "06 12:00", ""}},
		{"closed", func() { ticket.Status = "closed" }, times{"06 09:00", "06 16:00", "06 09:00", "06 12:00", "06 13:00"}},
	} {
		step.change()
		s.save(t, ticket)
		if diff := cmp.Diff(step.want, timesOf(ticket)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		if step.name != "normal" && step.name != "urgent" {
			forward(time.Hour)
		}
	}
	byHand.Priority = "low"
	s.save(t, byHand)
	if diff := cmp.Diff(times{"07 08:00", "06 08:01", "", "", ""}, timesOf(byHand)); diff != "" {
		t.Errorf("a due time chosen by hand (-want +got):\n%s", diff)
	}
	wantRules(t, s.trySave(t, s.by(), &crm.Ticket{Subject: "x", CustomerID: customer.ID, Status: "assigned"}), "/owner_id required")
}

func TestTicketCountsHowOftenItIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	customer := &crm.Customer{Name: "Alpha"}
	s.save(t, customer)
	ticket := &crm.Ticket{Subject: "Leaks", CustomerID: customer.ID, OwnerID: new(s.user(t))}
	for _, step := range []struct {
		status string
		want   int32
	}{{"assigned", 0}, {"resolved", 0}, {"closed", 0}, {"assigned", 1}, {"rejected", 1}, {"assigned", 1}, {"resolved", 1}, {"assigned", 2}} {
		ticket.Status, ticket.Reopened = step.status, 7 // what a writer says does not count
		s.save(t, ticket)
		if got := s.get(t, ticket).(*crm.Ticket).Reopened; got != step.want {
			t.Errorf("%s: taken up again %d times, want %d", step.status, got, step.want)
		}
	}
}

func TestFirstActivityAnswersATicket(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	customer := &crm.Customer{Name: "Alpha"}
	s.save(t, customer)
	ticket := &crm.Ticket{Subject: "Leaks", CustomerID: customer.ID}
	s.save(t, ticket)
	at := time.Date(2026, 5, 6, 8, 0, 0, 0, time.UTC)
	for _, a := range []*crm.Activity{
		{Type: "note", At: at.Add(-time.Hour)}, {Type: "call", At: at.Add(time.Hour)}, {Type: "email", At: at}, {Type: "call", At: at.Add(2 * time.Hour)},
	} {
		a.Subject, a.CustomerID, a.TicketID = "x", customer.ID, &ticket.ID
		s.save(t, a)
	}
	if got := s.get(t, ticket).(*crm.Ticket); got.FirstRespondedAt == nil || !got.FirstRespondedAt.Equal(at) || got.Version != 3 {
		t.Errorf("first responded at %v in version %d, want %v in 3", got.FirstRespondedAt, got.Version, at)
	}
}

func TestTaskIsDoneWhenItIsCompleted(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	task := &crm.Task{Subject: "Call"}
	s.save(t, task)
	for _, step := range []struct {
		status string
		done   bool
	}{{"completed", true}, {"started", false}, {"cancelled", false}} {
		task.Status = step.status
		s.save(t, task)
		if got := s.get(t, task).(*crm.Task); (got.DoneAt != nil) != step.done {
			t.Errorf("%s: done at %v", step.status, got.DoneAt)
		}
	}
}

func TestFeedbackSaysSomething(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	customer := &crm.Customer{Name: "Alpha"}
	s.save(t, customer)
	try := func(f crm.Feedback) error {
		f.CustomerID, f.At = customer.ID, time.Now()
		return s.trySave(t, s.by(), &f)
	}
	wantRules(t, try(crm.Feedback{}), " anyOf")
	wantRules(t, try(crm.Feedback{Score: new(int32(6)), NPS: new(int32(11))}), "/score maximum", "/nps maximum")
	wantRules(t, try(crm.Feedback{NPS: new(int32(0))}), "<nil>")
}
