package crm_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// clock makes the store's time stand, and returns how to move it.
func (s *shop) clock(at time.Time) (forward func(time.Duration)) {
	s.store.Now = func() time.Time { return at }
	return func(d time.Duration) { at = at.Add(d) }
}

// deal is an open opportunity of a new customer, in the pipeline that the store begins with.
func (s *shop) deal(t testing.TB) *crm.Opportunity {
	t.Helper()
	customer := &crm.Customer{Name: "Alpha"}
	s.save(t, customer)
	o := &crm.Opportunity{Name: "Pumps", CustomerID: customer.ID, Currency: "EUR", Amount: dec("100")}
	s.save(t, o)
	return o
}

func (s *shop) stages(t testing.TB, id uuid.UUID) (changes []crm.StageChange) {
	t.Helper()
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) (err error) {
		changes, err = s.store.Stages(ctx, tx, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

func TestOpportunityBeginsInTheDefaultPipeline(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	at := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	s.clock(at)
	o := s.deal(t)
	pipelines := s.list(t, crm.KindPipeline, crm.Query{}).Items
	if len(pipelines) != 1 {
		t.Fatalf("there are %d pipelines, want the one it begins with", len(pipelines))
	}
	want := &crm.Opportunity{
		Head: o.Head, Number: "OPP-2026-000001", Name: "Pumps", CustomerID: o.CustomerID, PipelineID: &pipelines[0].(*crm.Pipeline).ID, Stage: "qualify",
		StageEnteredAt: &at, Status: "open", Amount: dec("100"), Currency: "EUR", RateToBase: dec("1"), Probability: new(int32(10)), ForecastCategory: "pipeline",
		Tags: []string{}, Lines: []crm.OpportunityLine{}, Ext: crm.Ext("{}"),
	}
	if diff := cmp.Diff(asJSON(t, want), asJSON(t, s.get(t, o))); diff != "" {
		t.Errorf("(-want +stored):\n%s", diff)
	}

	other := s.deal(t)
	if *other.PipelineID != *o.PipelineID {
		t.Error("the second one has a pipeline of its own")
	}
}

func TestStageDecidesStatusAndForecast(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	at := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	forward := s.clock(at)
	o := s.deal(t)
	type state struct {
		Status, Forecast string
		Probability      int32
		Closed           bool
	}
	for _, step := range []struct {
		name   string
		change func()
		want   state
	}{
		{"next stage", func() { o.Stage = "proposal" }, state{"open", "best_case", 50, false}},
		{"own probability", func() { o.Probability = new(int32(80)) }, state{"open", "commit", 80, false}},
		{"own forecast", func() { o.ForecastCategory = "pipeline" }, state{"open", "pipeline", 80, false}},
		{"something else", func() { o.NextStep = "call" }, state{"open", "pipeline", 80, false}},
		{"stage and own probability", func() { o.Stage, o.Probability = "negotiation", new(int32(71)) }, state{"open", "pipeline", 71, false}},
		{"won", func() { o.Stage = "won" }, state{"won", "closed", 100, true}},
		{"opened again", func() { o.Stage = "contract" }, state{"open", "commit", 90, false}},
		{"lost", func() { o.Stage, o.LostReason = "lost", "price" }, state{"lost", "omitted", 0, true}},
		{"opened again", func() { o.Stage = "needs" }, state{"open", "pipeline", 30, false}},
	} {
		forward(time.Minute)
		step.change()
		s.save(t, o)
		got := s.get(t, o).(*crm.Opportunity)
		if diff := cmp.Diff(step.want, state{got.Status, got.ForecastCategory, *got.Probability, got.ClosedAt != nil}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	if o.LostReason != "" {
		t.Errorf("the reason of the loss stays: %s", o.LostReason)
	}

	var got []string
	for _, c := range s.stages(t, o.ID) {
		spent := "-"
		if c.Seconds != nil {
			spent = (time.Duration(*c.Seconds) * time.Second).String()
		}
		got = append(got, c.From+" → "+c.To+" "+spent)
		if c.By != string(s.who.Actor) || c.PipelineID != *o.PipelineID {
			t.Errorf("%s: by %s in %s", c.To, c.By, c.PipelineID)
		}
	}
	want := []string{
		" → qualify -", "qualify → proposal 1m0s", "proposal → negotiation 4m0s", "negotiation → won 1m0s", "won → contract 1m0s",
		"contract → lost 1m0s", "lost → needs 1m0s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
}

func TestOpportunityKeepsTheRulesOfItsStage(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := s.deal(t)
	try := func(change func(o *crm.Opportunity)) error {
		c := *o
		change(&c)
		return s.trySave(t, s.by(), &c)
	}
	nowhere := uuid.New()
	wantRules(t, try(func(o *crm.Opportunity) { o.Stage = "x" }), "/stage exists")
	wantRules(t, try(func(o *crm.Opportunity) { o.Stage = "lost" }), "/lost_reason required")
	wantRules(t, try(func(o *crm.Opportunity) { o.PipelineID = &nowhere }), "/pipeline_id exists")

	o.Stage = "won"
	s.save(t, o)
	wantRules(t, try(func(o *crm.Opportunity) { o.Stage, o.LostReason = "lost", "price" }), "/stage transition")
	wantRules(t, try(func(o *crm.Opportunity) { o.Amount = dec("99") }), "/amount immutable")
	wantRules(t, try(func(o *crm.Opportunity) { o.Lines = []crm.OpportunityLine{{Qty: dec("1"), Price: dec("100")}} }), "/lines immutable")
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.store.Delete(ctx, tx, s.by(), crm.KindOpportunity, o.ID, o.Version)
		return err
	})
	wantRules(t, err, "/status immutable")
}

func TestAmountOfAnOpportunityIsThatOfItsLines(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := s.deal(t)
	o.Lines = []crm.OpportunityLine{{Qty: dec("3"), Price: dec("3.335"), DiscountPct: dec("10")}, {Qty: dec("1"), Price: dec("0.005")}}
	s.save(t, o)
	got := s.get(t, o).(*crm.Opportunity)
	if got.Amount.String() != "9.01" || got.Lines[0].Untaxed.String() != "9" || got.Lines[1].Untaxed.String() != "0.01" {
		t.Errorf("amount %s of %s and %s, want 9.01 of 9 and 0.01", got.Amount, got.Lines[0].Untaxed, got.Lines[1].Untaxed)
	}
}

func TestStageInUseStays(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := s.deal(t)
	p := s.list(t, crm.KindPipeline, crm.Query{}).Items[0].(*crm.Pipeline)
	p.Stages = p.Stages[1:]
	wantRules(t, s.trySave(t, s.by(), p), "/stages restrict")

	o.Stage = "needs"
	s.save(t, o)
	s.save(t, p)
	// The database holds the rule as well, for whoever writes past the store: at the latest when it commits.
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "delete from pipeline_stages where code = 'needs'")
		return err
	})
	if err == nil {
		t.Error("a stage in use was deleted")
	}
}

func TestPipelineHasTheStagesItNeeds(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	stage := func(code, kind string, probability int32) crm.PipelineStage {
		return crm.PipelineStage{Code: code, Name: code, Kind: kind, Probability: probability}
	}
	for name, tc := range map[string]struct {
		stages []crm.PipelineStage
		want   []string
	}{
		"none":            {nil, []string{"/stages contains"}},
		"nothing open":    {[]crm.PipelineStage{stage("w", "won", 0), stage("l", "lost", 0)}, []string{"/stages contains"}},
		"two won":         {[]crm.PipelineStage{stage("o", "", 1), stage("w", "won", 0), stage("v", "won", 0), stage("l", "lost", 0)}, []string{"/stages contains"}},
		"a code twice":    {[]crm.PipelineStage{stage("o", "", 1), stage("w", "won", 0), stage("o", "lost", 0)}, []string{"/stages/2/code unique"}},
		"certain":         {[]crm.PipelineStage{stage("o", "", 100), stage("w", "won", 0), stage("l", "lost", 0)}, []string{"/stages/0/probability maximum"}},
		"all that it has": {[]crm.PipelineStage{stage("o", "", 99), stage("w", "won", 7), stage("l", "lost", 7)}, []string{"<nil>"}},
	} {
		err := s.trySave(t, s.by(), &crm.Pipeline{Name: name, Stages: tc.stages})
		if diff := cmp.Diff(tc.want, rules(err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestNewDefaultPipelineTakesTheMark(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a, b := crm.StandardPipeline("en"), crm.StandardPipeline("en")
	a.Name, b.Name = "A", "B"
	s.save(t, a)
	s.save(t, b)
	first, second := s.get(t, a).(*crm.Pipeline), s.get(t, b).(*crm.Pipeline)
	if first.IsDefault || !second.IsDefault || first.Version != 2 {
		t.Errorf("first: default %v in version %d, second: default %v", first.IsDefault, first.Version, second.IsDefault)
	}
	// Both at once: the database knows of one.
	a.Version, b.Version, a.IsDefault = 2, 1, true
	wantRules(t, s.trySave(t, s.by(), a, b), "/is_default unique")
}

// An organization's first pipeline speaks the language of who makes the first opportunity; of who founded the organization,
// where that is a connection.
func TestTheFirstPipelineSpeaksTheWritersLanguage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		founder, writer string
		by              func(s *shop, writer, token uuid.UUID) crm.By
		want            string
	}{
		"a person":     {"en", "zh-CN", func(_ *shop, u, _ uuid.UUID) crm.By { return crm.By{Actor: postgres.User(u), Origin: "crm"} }, "验证客户"},
		"his program":  {"en", "zh-CN", func(_ *shop, _, k uuid.UUID) crm.By { return crm.By{Actor: postgres.Token(k), Origin: "crm"} }, "验证客户"},
		"another one":  {"zh-CN", "en", func(_ *shop, u, _ uuid.UUID) crm.By { return crm.By{Actor: postgres.User(u), Origin: "crm"} }, "Qualify"},
		"a connection": {"zh-CN", "en", func(s *shop, _, _ uuid.UUID) crm.By { return s.connection() }, "验证客户"},
		"the hub":      {"zh-CN", "en", func(*shop, uuid.UUID, uuid.UUID) crm.By { return crm.By{Actor: postgres.System, Origin: "crm"} }, "验证客户"},
	} {
		s := newShop(t)
		founder, writer, token := s.user(t), s.user(t), uuid.New()
		if err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "update users set locale = case id when $1 then $2 else $3 end, created_at = case id when $1 then timestamptz '2020-01-01' else now() end", founder, c.founder, c.writer)
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "insert into api_tokens (id, user_id, name, token_hash) values ($1, $2, 't', $3)", token, writer, token[:])
			return err
		}); err != nil {
			t.Fatal(err)
		}
		customer := &crm.Customer{Name: "c"}
		s.save(t, customer)
		o := &crm.Opportunity{Name: "o", CustomerID: customer.ID, Currency: "EUR"}
		if err := s.trySave(t, c.by(s, writer, token), o); err != nil {
			t.Fatal(err)
		}
		p, _ := s.get(t, &crm.Pipeline{Head: crm.Head{ID: *o.PipelineID}}).(*crm.Pipeline)
		if got := p.Stages[0].Name; got != c.want {
			t.Errorf("%s: the first stage is %q, want %q", name, got, c.want)
		}
	}
}
