package crm_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

func TestCampaignRemembersWhatHappened(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	at := time.Date(2026, 5, 6, 8, 0, 0, 0, time.UTC)
	forward := s.clock(at)
	ann, bob := &crm.Contact{Name: "Ann"}, &crm.Contact{Name: "Bob"}
	s.save(t, ann, bob)
	campaign := &crm.Campaign{Name: "Spring"}
	s.save(t, campaign)
	a, b := &crm.CampaignMember{CampaignID: campaign.ID, ContactID: &ann.ID}, &crm.CampaignMember{CampaignID: campaign.ID, ContactID: &bob.ID}
	s.save(t, a, b)
	for _, step := range []struct {
		m                *crm.CampaignMember
		status, response string
	}{{a, "sent", ""}, {a, "sent", "nothing new"}, {b, "sent", ""}, {a, "responded", "yes"}, {b, "opted_out", ""}} {
		forward(time.Minute)
		step.m.Status, step.m.Response = step.status, step.response
		s.save(t, step.m)
	}
	var got []string
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		for after := ""; ; {
			events, err := s.store.CampaignEvents(ctx, tx, campaign.ID, after, 2)
			if err != nil {
				return err
			}
			for _, e := range events.Items {
				who := map[uuid.UUID]string{a.ID: "Ann", b.ID: "Bob"}[e.MemberID]
				got = append(got, fmt.Sprintf("%s %s %s %s", e.At.Format("15:04"), who, e.Type, e.Detail))
			}
			if after = events.Next; after == "" {
				return nil
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"08:05 Bob opted_out ", "08:04 Ann responded yes", "08:03 Bob sent ", "08:01 Ann sent ", "08:00 Bob targeted ", "08:00 Ann targeted "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if m := s.get(t, a).(*crm.CampaignMember); m.RespondedAt == nil || !m.RespondedAt.Equal(at.Add(4*time.Minute)) {
		t.Errorf("responded at %v", m.RespondedAt)
	}

	if !s.get(t, bob).(*crm.Contact).OptOut {
		t.Error("who opted out is not left alone")
	}
	next := &crm.Campaign{Name: "Summer"}
	s.save(t, next)
	wantRules(t, s.trySave(t, s.by(), &crm.CampaignMember{CampaignID: next.ID, ContactID: &bob.ID}), "/contact_id opt_out")
}

func TestMemberIsOnceInACampaign(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	ann, customer, campaign := &crm.Contact{Name: "Ann"}, &crm.Customer{Name: "Alpha"}, &crm.Campaign{Name: "Spring"}
	s.save(t, ann)
	s.save(t, customer)
	s.save(t, campaign)
	m := &crm.CampaignMember{CampaignID: campaign.ID, ContactID: &ann.ID}
	s.save(t, m)
	wantRules(t, s.trySave(t, s.by(), &crm.CampaignMember{CampaignID: campaign.ID, ContactID: &ann.ID}), "/contact_id unique")
	wantRules(t, s.trySave(t, s.by(), &crm.CampaignMember{CampaignID: campaign.ID}), " oneOf")
	wantRules(t, s.trySave(t, s.by(), &crm.CampaignMember{CampaignID: campaign.ID, ContactID: &ann.ID, CustomerID: &customer.ID}), " oneOf")
	m.ContactID, m.CustomerID = nil, &customer.ID
	wantRules(t, s.trySave(t, s.by(), m), "/contact_id immutable", "/customer_id immutable")
}

func TestSegmentFindsItsMembers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a, b, c := &crm.Customer{Code: "A", Name: "A", Level: "A", Tags: []string{"vip"}}, &crm.Customer{Code: "B", Name: "B", Level: "A"}, &crm.Customer{Code: "C", Name: "C", Ext: crm.Ext(`{"region":"north"}`)}
	s.save(t, a, b, c)
	ann := &crm.Contact{Name: "Ann"}
	s.save(t, ann)
	members := func(g *crm.Segment) (names []string) {
		t.Helper()
		s.save(t, g)
		after := ""
		for {
			var page postgres.Page[crm.Entity]
			err := s.as(t, func(ctx context.Context, tx pgx.Tx) (err error) {
				page, err = s.store.SegmentMembers(ctx, tx, g.ID, func(crm.Kind) crm.Query { return crm.Query{After: after, Limit: 1} })
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Items {
				switch e := e.(type) {
				case *crm.Customer:
					names = append(names, e.Code)
				case *crm.Contact:
					names = append(names, e.Name)
				}
			}
			if after = page.Next; after == "" {
				slices.Sort(names)
				return names
			}
		}
	}
	condition := func(field, op string, values ...string) crm.SegmentCondition {
		return crm.SegmentCondition{Field: field, Op: op, Values: values}
	}
	for name, tc := range map[string]struct {
		segment *crm.Segment
		want    []string
	}{
		"a rule":           {&crm.Segment{Rule: []crm.SegmentCondition{condition("level", "", "A")}}, []string{"A", "B"}},
		"two conditions":   {&crm.Segment{Rule: []crm.SegmentCondition{condition("level", "in", "A", "B"), condition("tags", "has", "vip")}}, []string{"A"}},
		"a custom field":   {&crm.Segment{Rule: []crm.SegmentCondition{condition("ext.region", "eq", "north")}}, []string{"C"}},
		"contacts":         {&crm.Segment{Subject: "contact", Rule: []crm.SegmentCondition{condition("opt_out", "eq", "false")}}, []string{"Ann"}},
		"nobody":           {&crm.Segment{Rule: []crm.SegmentCondition{condition("level", "eq", "C")}}, nil},
		"a list":           {&crm.Segment{Type: "static", Members: []crm.SegmentMember{{CustomerID: &c.ID}, {CustomerID: &a.ID}}}, []string{"A", "C"}},
		"an empty list":    {&crm.Segment{Type: "static"}, nil},
		"a list of people": {&crm.Segment{Type: "static", Subject: "contact", Members: []crm.SegmentMember{{ContactID: &ann.ID}}}, []string{"Ann"}},
	} {
		tc.segment.Name = name
		if diff := cmp.Diff(tc.want, members(tc.segment)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	bad := &crm.Segment{Name: "bad", Rule: []crm.SegmentCondition{
		condition("colour", "eq", "x"), condition("employees", "lt", "many"), condition("level", "eq"), condition("level", "has", "A"), condition("tags", "eq", "A"), condition("ext.a'b", "eq", "A"),
	}}
	wantRules(t, s.trySave(t, s.by(), bad), "/rule/0/field field", "/rule/1/values format", "/rule/2/values type", "/rule/3/op operator", "/rule/4/op operator", "/rule/5/field field")
	wantRules(t, s.trySave(t, s.by(), &crm.Segment{Name: "bad", Type: "static", Members: []crm.SegmentMember{{ContactID: &ann.ID}, {CustomerID: &a.ID}, {CustomerID: &a.ID}}}),
		"/members/0 required", "/members/2/customer_id unique")
}
