package crm

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// StageChange is an opportunity's way from one stage to another.
type StageChange struct {
	At         time.Time `json:"at" doc:"When it moved."`
	By         string    `json:"by" doc:"Who moved it."`
	PipelineID uuid.UUID `json:"pipeline_id" doc:"The pipeline of the new stage."`
	From       string    `json:"from,omitempty" doc:"The stage it left; absent for a new opportunity."`
	To         string    `json:"to" doc:"The stage it entered."`
	Seconds    *int64    `json:"seconds,omitempty" doc:"How long it was at the stage it left."`
}

const logStages = `
insert into opportunity_stage_log (opportunity_id, version, at, by, pipeline_id, from_stage, to_stage, seconds)
select *
from unnest($1::uuid[], $2::bigint[], array_fill($3::timestamptz, array[cardinality($1)]), array_fill($4::text, array[cardinality($1)]),
	$5::uuid[], $6::text[], $7::text[], $8::bigint[])`

// logStages notes which of the opportunities just written have moved.
func (w *writing) logStages(ctx context.Context, tx pgx.Tx) error {
	var ids, pipelines []uuid.UUID
	var versions []int64
	var from, to []*string
	var seconds []*int64
	for _, e := range w.batch {
		o, _ := e.(*Opportunity)
		old, _ := w.stored[o.ID].(*Opportunity)
		if old != nil && old.Stage == o.Stage && *old.PipelineID == *o.PipelineID {
			continue
		}
		ids, versions = append(ids, o.ID), append(versions, o.Version)
		pipelines, to = append(pipelines, *o.PipelineID), append(to, &o.Stage)
		if old == nil {
			from, seconds = append(from, nil), append(seconds, nil)
			continue
		}
		spent := int64(w.at.Sub(*old.StageEnteredAt).Seconds())
		from, seconds = append(from, &old.Stage), append(seconds, &spent)
	}
	if len(ids) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, logStages, ids, versions, w.at, string(w.by.Actor), pipelines, from, to, seconds); err != nil {
		return fmt.Errorf("note %d changes of stage: %w", len(ids), err)
	}
	return nil
}

// Stages returns the stages an opportunity went through, the first one first.
func (s *Store) Stages(ctx context.Context, tx pgx.Tx, opportunity uuid.UUID) ([]StageChange, error) {
	if err := s.there(ctx, tx, KindOpportunity, opportunity); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, "select at, by, pipeline_id, coalesce(from_stage, ''), to_stage, seconds"+
		" from opportunity_stage_log where opportunity_id = $1 order by version", opportunity)
	if err != nil {
		return nil, fmt.Errorf("read the stages of opportunity %s: %w", opportunity, err)
	}
	changes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[StageChange])
	if err != nil {
		return nil, fmt.Errorf("read the stages of opportunity %s: %w", opportunity, err)
	}
	for i := range changes {
		changes[i].At = changes[i].At.UTC()
	}
	return changes, nil
}

// CampaignEvent is something that happened between a campaign and one of its members.
type CampaignEvent struct {
	ID       uuid.UUID `json:"id"`
	MemberID uuid.UUID `json:"member_id" doc:"Of which member."`
	At       time.Time `json:"at" doc:"When it happened."`
	By       string    `json:"by" doc:"Who reported it."`
	Type     string    `json:"type" doc:"The status the member came to."`
	Detail   string    `json:"detail,omitempty" doc:"What they answered."`
}

const logEvents = `
insert into campaign_events (campaign_id, member_id, id, at, by, type, detail)
select m.campaign_id, m.id, e.id, e.at, $5, e.type, nullif(e.detail, '')
from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $6::text[]) as e (member_id, id, at, type, detail)
join campaign_members m on m.id = e.member_id`

// logEvents notes which of the members just written came to another status.
func (w *writing) logEvents(ctx context.Context, tx pgx.Tx) error {
	var events []CampaignEvent
	for _, e := range w.batch {
		m, _ := e.(*CampaignMember)
		old, _ := w.stored[m.ID].(*CampaignMember)
		if old != nil && old.Status == m.Status {
			continue
		}
		event := CampaignEvent{MemberID: m.ID, At: w.at, Type: m.Status}
		if m.Status == "responded" || m.Status == "converted" {
			event.At, event.Detail = *m.RespondedAt, m.Response
		}
		events = append(events, event)
	}
	_, err := writeEvents(ctx, tx, w.by, events)
	return err
}

func writeEvents(ctx context.Context, tx pgx.Tx, by By, events []CampaignEvent) ([]CampaignEvent, error) {
	var members, ids []uuid.UUID
	var at []time.Time
	var types, details []string
	for i := range events {
		e := &events[i]
		var err error
		if e.ID, err = uuid.NewV7(); err != nil {
			return nil, fmt.Errorf("make an id: %w", err)
		}
		e.By = string(by.Actor)
		members, ids, at = append(members, e.MemberID), append(ids, e.ID), append(at, e.At)
		types, details = append(types, e.Type), append(details, e.Detail)
	}
	if len(events) == 0 {
		return nil, nil
	}
	if _, err := tx.Exec(ctx, logEvents, members, ids, at, types, string(by.Actor), details); err != nil {
		return nil, fmt.Errorf("note %d events of a campaign: %w", len(events), err)
	}
	return events, nil
}

// CampaignEvents returns what happened in a campaign, the newest first: up to limit of it, after what the page before gave as next.
func (s *Store) CampaignEvents(ctx context.Context, tx pgx.Tx, campaign uuid.UUID, after string, limit int) (p postgres.Page[CampaignEvent], err error) {
	before, err := postgres.PlaceID(after)
	if err != nil {
		return p, err
	}
	if err := s.there(ctx, tx, KindCampaign, campaign); err != nil {
		return p, err
	}
	size := postgres.PageSize(limit)
	rows, _ := tx.Query(ctx, "select id, member_id, at, by, type, coalesce(detail, '') from campaign_events"+
		" where campaign_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3", campaign, before, size+1)
	events, err := pgx.CollectRows(rows, pgx.RowToStructByPos[CampaignEvent])
	if err != nil {
		return p, fmt.Errorf("read the events of campaign %s: %w", campaign, err)
	}
	for i := range events {
		events[i].At = events[i].At.UTC()
	}
	return postgres.Cut(events, size, func(e CampaignEvent) string { return e.ID.String() }), nil
}

// there returns [ErrNotFound] unless the entity exists and is not deleted.
func (s *Store) there(ctx context.Context, tx pgx.Tx, k Kind, id uuid.UUID) error {
	var found bool
	if err := tx.QueryRow(ctx, "select exists (select from "+k.Plural()+" where id = $1 and deleted_at is null)", id).Scan(&found); err != nil {
		return fmt.Errorf("look up %s %s: %w", k, id, err)
	}
	if !found {
		return fmt.Errorf("%s %s: %w", k, id, ErrNotFound)
	}
	return nil
}

const usedStages = `
select distinct pipeline_id, stage from opportunities where pipeline_id = any($1)`

// keepStages refuses to take a stage away that opportunities stand at, deleted ones too: they may come back.
func (w *writing) keepStages(ctx context.Context, tx pgx.Tx) error {
	var ids []uuid.UUID
	for _, e := range w.batch {
		if w.stored[e.head().ID] != nil {
			ids = append(ids, e.head().ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, usedStages, ids)
	if err != nil {
		return fmt.Errorf("look up stages in use: %w", err)
	}
	used := make(map[uuid.UUID][]string)
	var id uuid.UUID
	var code string
	if _, err := pgx.ForEachRow(rows, []any{&id, &code}, func() error { used[id] = append(used[id], code); return nil }); err != nil {
		return fmt.Errorf("look up stages in use: %w", err)
	}
	for i, e := range w.batch {
		p, _ := e.(*Pipeline)
		gone := slices.DeleteFunc(used[p.ID], func(code string) bool { return p.stage(code) != nil })
		if len(gone) > 0 {
			slices.Sort(gone)
			return &ItemError{i, schema.Violations{{Pointer: "/stages", Rule: "restrict", Message: fmt.Sprintf("must keep %v: opportunities stand there", gone)}}}
		}
	}
	return nil
}
