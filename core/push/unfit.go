package push

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/schema"
)

// tellUnfit keeps a dead letter for each entity whose mapping cannot be used, about none of its entities, and resolves those of
// entities whose mapping was mended.
func (p *Pusher) tellUnfit(ctx context.Context) error {
	return p.as(ctx, func(tx pgx.Tx) error {
		var letters []job.DeadLetter
		for _, s := range p.streams {
			if s.Unfit != nil {
				p.Logger.ErrorContext(ctx, "a mapping does not fit this hub; the entity's changes wait", "entity", s.Entity, "error", s.Unfit)
				letters = append(letters, p.unfit(s))
			}
		}
		for _, entity := range p.fit {
			about := job.Things{ConnectionID: p.Connection, Direction: job.Push, Entity: entity, IDs: []string{""}}
			if err := job.Resolve(ctx, tx, about); err != nil {
				return err
			}
		}
		return job.Bury(ctx, tx, letters)
	})
}

func (p *Pusher) unfit(s *stream) job.DeadLetter {
	letter := job.DeadLetter{
		ConnectionID: p.Connection, Direction: job.Push, Entity: s.Entity, Stage: job.StageMapping, Class: "mapping",
		Message: s.Unfit.Error(), Said: schema.Say("mapping_unfit", s.Entity),
	}
	if faults, ok := errors.AsType[mapping.Faults](s.Unfit); ok {
		for _, f := range faults {
			letter.Violations = append(letter.Violations, schema.Violation{Pointer: "/mapping", Rule: "mapping", Message: f.Message, Said: f.Said})
		}
	}
	return letter
}

// want notes versions of an entity whose mapping cannot be used: they wait where everybody sees it, until it is mended.
func (p *Pusher) want(ctx context.Context, s *stream, items []*item) error {
	versions := make([]link.Version, len(items))
	for i, it := range items {
		versions[i] = link.Version{EntityID: it.id, Version: it.version, Deleted: it.deleted}
	}
	err := p.retry(ctx, func(tx pgx.Tx) error {
		_, err := link.Want(ctx, tx, p.Connection, s.Entity, versions)
		return err
	})
	return p.orEnd(ctx, err)
}
