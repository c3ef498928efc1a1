package console

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// boardPage shows the opportunities of a pipeline, a column for each stage.
type boardPage struct {
	Pipelines []option
	Mine      bool
	MineURL   string
	AllURL    string
	Stages    []boardStage
	MayMove   bool
	MayNew    bool
	Here      string
}

// boardStage is a column: what is open there, or was closed this month.
type boardStage struct {
	Code, Name, Kind string
	Count            int64
	Sums             []string
	Cards            []card
	More             int64
	All              string // the list with all of them
}

// card is an opportunity on the board.
type card struct {
	ID       uuid.UUID
	Link     string
	Title    string
	Customer cell
	Amount   cell
	Close    cell
	Owner    string
	Days     int
	Rotten   bool // it stands longer than its stage says is good
	May      bool // the visitor may move it
}

// cardsShown is how many cards a stage shows.
const cardsShown = 30

func (c *Console) board(ctx context.Context, v *visit) error {
	r := access.Resource(crm.KindOpportunity)
	for _, name := range []string{"stage", "pipeline_id", "status"} {
		if v.who.Hides(r, name) {
			return errForbidden
		}
	}
	q := v.r.URL.Query()
	p := boardPage{Mine: q.Get("owner") == "me", MayMove: v.who.May(r, access.Update) != "", MayNew: v.who.May(r, access.Create) != ""}
	err := v.as(ctx, func(tx pgx.Tx) error {
		pipelines, err := v.pipelines(ctx, tx)
		if err != nil || len(pipelines) == 0 {
			return err
		}
		shown := pipelines[0]
		for _, one := range pipelines {
			if one.ID.String() == q.Get("pipeline") || q.Get("pipeline") == "" && one.IsDefault {
				shown = one
			}
		}
		for _, one := range pipelines {
			if one.IsActive || one.ID == shown.ID {
				p.Pipelines = append(p.Pipelines, option{one.ID.String(), one.Name, one.ID == shown.ID})
			}
		}
		p.AllURL = "/opportunities/board?pipeline=" + shown.ID.String()
		p.MineURL = p.AllURL + "&owner=me"
		p.Here = p.AllURL
		if p.Mine {
			p.Here = p.MineURL
		}
		p.Stages, err = v.stages(ctx, tx, shown, p.Mine)
		return err
	})
	if err != nil {
		return err
	}
	return v.show("board", p)
}

// pipelines are the organization's, the default one first.
func (v *visit) pipelines(ctx context.Context, tx pgx.Tx) ([]*crm.Pipeline, error) {
	page, err := v.console.CRM.List(ctx, tx, crm.KindPipeline, crm.Query{Sort: []crm.Sort{{Field: "is_default", Desc: true}, {Field: "name"}}, Limit: 100})
	if err != nil {
		return nil, err
	}
	all := make([]*crm.Pipeline, len(page.Items))
	for i, e := range page.Items {
		all[i], _ = e.(*crm.Pipeline)
	}
	return all, nil
}

// stages are the columns of a pipeline's board.
func (v *visit) stages(ctx context.Context, tx pgx.Tx, p *crm.Pipeline, mine bool) ([]boardStage, error) {
	today, err := v.today(ctx, tx)
	if err != nil {
		return nil, err
	}
	month := today.AddDate(0, 0, 1-today.Day())
	counted := func(ctx context.Context, tx pgx.Tx, pipeline uuid.UUID, owners []uuid.UUID) ([]crm.StageTotal, error) {
		return v.console.CRM.StageTotals(ctx, tx, pipeline, owners, month)
	}
	columns, err := v.stageSums(ctx, tx, p, mine, counted)
	if err != nil {
		return nil, err
	}
	for i := range columns {
		column := &columns[i]
		query := crm.Query{
			Filter: []crm.Condition{{Field: "pipeline_id", Op: crm.OpEqual, Value: p.ID.String()}, {Field: "stage", Op: crm.OpEqual, Value: column.Code}},
			Sort:   []crm.Sort{{Field: "updated_at", Desc: true}}, Limit: cardsShown,
		}
		all := url.Values{"pipeline_id": {p.ID.String()}, "stage": {column.Code}}
		if mine {
			query.Filter = append(query.Filter, crm.Condition{Field: "owner_id", Op: crm.OpEqual, Value: v.who.UserID.String()})
			all.Set("owner_id", "me")
		}
		if column.Kind != "open" {
			query.Filter = append(query.Filter, crm.Condition{Field: "closed_at", Op: crm.OpGreaterEqual, Value: month.Format(time.RFC3339)})
		}
		column.All = pathOf(crm.KindOpportunity) + "?" + all.Encode()
		if column.Cards, err = v.cards(ctx, tx, query, p.Stages[i]); err != nil {
			return nil, err
		}
		column.More = max(0, column.Count-int64(len(column.Cards)))
	}
	return columns, nil
}

// stageSums are a pipeline's stages with how many opportunities stand there and what they add up to, of those that are counted.
func (v *visit) stageSums(ctx context.Context, tx pgx.Tx, p *crm.Pipeline, mine bool,
	counted func(context.Context, pgx.Tx, uuid.UUID, []uuid.UUID) ([]crm.StageTotal, error),
) ([]boardStage, error) {
	r := access.Resource(crm.KindOpportunity)
	owners := v.who.Owners(r, access.Read)
	if mine {
		owners = []uuid.UUID{v.who.UserID}
	}
	totals, err := counted(ctx, tx, p.ID, owners)
	if err != nil {
		return nil, err
	}
	stages := make([]boardStage, len(p.Stages))
	for i, s := range p.Stages {
		stages[i] = boardStage{Code: s.Code, Name: s.Name, Kind: s.Kind}
		sums := map[string]decimal.Decimal{}
		for _, t := range totals {
			if t.Stage == s.Code {
				stages[i].Count += t.Count
				sums[t.Currency] = t.Amount
			}
		}
		if !v.who.Hides(r, "amount") && !v.who.Hides(r, "currency") {
			stages[i].Sums = amounts(sums)
		}
	}
	return stages, nil
}

// amounts writes sums, a currency each.
func amounts(sums map[string]decimal.Decimal) []string {
	var written []string
	for _, currency := range slices.Sorted(maps.Keys(sums)) {
		if !sums[currency].IsZero() {
			written = append(written, formatAmount(sums[currency], currency))
		}
	}
	return written
}

func (v *visit) cards(ctx context.Context, tx pgx.Tx, q crm.Query, stage crm.PipelineStage) ([]card, error) {
	w := viewOf(crm.KindOpportunity)
	v.narrow(w.kind, &q)
	page, err := v.console.CRM.List(ctx, tx, w.kind, q)
	if err != nil {
		return nil, err
	}
	fields := v.describe(string(w.kind), crm.Fields(w.kind))
	docs := make([]map[string]any, len(page.Items))
	for i, e := range page.Items {
		if docs[i], err = v.document(e); err != nil {
			return nil, err
		}
		delete(docs[i], "pipeline_id") // its stages need no names here
	}
	n, err := v.name(ctx, tx, fields, docs...)
	if err != nil {
		return nil, err
	}
	cards := make([]card, len(page.Items))
	for i, e := range page.Items {
		o, _ := e.(*crm.Opportunity)
		c := card{ID: o.ID, Link: w.path() + "/" + o.ID.String(), Title: v.titleOf(w, docs[i], n, fields)}
		c.May = v.who.Covers(w.resource(), access.Update, o.OwnerID)
		for _, f := range fields {
			switch value := docs[i][f.Name]; f.Name {
			case "customer_id":
				c.Customer = v.cell(f, value, docs[i], n)
			case "amount":
				c.Amount = v.cell(f, value, docs[i], n)
			case "expected_close":
				c.Close = v.cell(f, value, docs[i], n)
			case "owner_id":
				c.Owner = n.people[fmt.Sprint(value)]
			}
		}
		if o.StageEnteredAt != nil && o.Status == "open" {
			c.Days = int(time.Since(*o.StageEnteredAt).Hours() / 24)
			c.Rotten = stage.RottenDays != nil && c.Days >= int(*stage.RottenDays)
		}
		cards[i] = c
	}
	return cards, nil
}

// movePage asks for the stage that an opportunity moves to, and why it was lost if it was.
type movePage struct {
	Title, Link string
	Stages      []option
	Reason      string
	Notes       string
	To          string // where it leads afterwards

	StageFault, ReasonFault string
}

// stagesOf are the stages of an opportunity's pipeline; chosen is the one where it stands.
func (v *visit) stagesOf(ctx context.Context, tx pgx.Tx, e crm.Entity) ([]option, error) {
	pipelines, err := v.pipelines(ctx, tx)
	if err != nil {
		return nil, err
	}
	o, _ := e.(*crm.Opportunity)
	var stages []option
	for _, one := range pipelines {
		if o == nil || o.PipelineID == nil || one.ID != *o.PipelineID {
			continue
		}
		for _, s := range one.Stages {
			stages = append(stages, option{s.Code, s.Name, s.Code == o.Stage})
		}
	}
	return stages, nil
}

func (c *Console) showMove(ctx context.Context, v *visit) error {
	return v.writeMove(ctx, v.r.URL.Query().Get("stage"), nil)
}

// moveStage moves an opportunity to another stage. What the stage asks for and the form did not say is asked for.
func (c *Console) moveStage(ctx context.Context, v *visit) error {
	id, err := v.id(crm.ErrNotFound)
	if err != nil {
		return err
	}
	patch := map[string]any{}
	for _, name := range []string{"stage", "lost_reason", "lost_notes"} {
		if s := v.r.PostFormValue(name); s != "" {
			patch[name] = s
		}
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		_, err := c.editor.Move(ctx, tx, v.author(), crm.KindOpportunity, id, 0, patch)
		return err
	})
	if err != nil {
		return v.writeMove(ctx, v.r.PostFormValue("stage"), err)
	}
	return v.done(v.backTo(pathOf(crm.KindOpportunity)+"/"+id.String()), "moved")
}

func (v *visit) writeMove(ctx context.Context, stage string, wrong error) error {
	vs, other := wrongIn(wrong)
	if other != nil {
		return other
	}
	id, err := v.id(crm.ErrNotFound)
	if err != nil {
		return err
	}
	w := viewOf(crm.KindOpportunity)
	p := movePage{
		Link: w.path() + "/" + id.String(), Reason: v.r.PostFormValue("lost_reason"), Notes: v.r.PostFormValue("lost_notes"),
		To: ownPath(v.r.FormValue("to")),
	}
	if v.r.FormValue("to") == "" {
		p.To = p.Link
	}
	v.here = p.Link + "/stage"
	err = v.as(ctx, func(tx pgx.Tx) error {
		e, err := v.stored(ctx, tx, w, id)
		if err != nil {
			return err
		}
		doc, err := v.document(e)
		if err != nil {
			return err
		}
		p.Title, _ = doc["name"].(string)
		if stage == "" {
			stage, _ = doc["stage"].(string)
		}
		p.Stages, err = v.stagesOf(ctx, tx, e)
		for i := range p.Stages {
			p.Stages[i].Chosen = p.Stages[i].Value == stage
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, broken := range vs {
		at := &p.StageFault
		if broken.Pointer == "/lost_reason" {
			if at = &p.ReasonFault; !v.r.Form.Has("lost_reason") {
				continue // it was not asked for yet
			}
		}
		*at = v.violation(broken, nil)
	}
	return v.writeForm("move", p, wrong)
}
