package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/mapping"
	"crmhub/core/revision"
	"crmhub/core/schema"
)

type previewInput struct {
	EntityID string `json:"entity_id,omitempty" format:"uuid" doc:"Make the record of this entity."`
	RemoteID string `json:"remote_id,omitempty" minLength:"1" doc:"Read this record from the other system, and make of it what it says of an entity."`
}

// permitWhole refuses who does not see whole entities of a kind: a preview shows them, as the other system has them.
func (c *call) permitWhole(entity string) error {
	k, err := crm.ParseKind(entity)
	if err != nil {
		return notFound()
	}
	if err := c.permit(k, access.Read); err != nil {
		return err
	}
	if len(c.who.Blind(access.Resource(entity))) > 0 {
		return forbidden(may(access.Resource(entity), access.Read), "It shows whole records, and you do not see all fields of this kind.")
	}
	return nil
}

func (s *server) showEffect() operation {
	directions := []string{"push", "pull"}
	return operation{
		id: "show-mapping-effect", needs: may(access.Connections, access.Read), tag: "mappings", summary: "Show what a version of a mapping would change",
		description: "Of a push, the newest linked entities, a thousand at most, are mapped with the version and with what is live; of a pull, records that are read from the other " +
			"system now, a thousand of those that changed last, or the first thousand of a system that knows no times. Nothing is sent or stored, and no cursor moves. Needs the permission to read all fields of the entity, too.",
		parameters: []*huma.Param{choiceParameter("direction", "What is tried: push, which is meant when left out, or pull.", directions)},
		status:     http.StatusOK, result: jsonBody(s.document, revision.Effect{
			Checked: 1000, Changed: 12, Unchanged: 988, Fields: map[string]int{"comment": 12}, Items: []revision.Affected{{
				EntityID: uuid.MustParse(exampleID), RemoteID: "1001", Differences: []mapping.Difference{{Pointer: "/comment", After: "Ring twice."}},
			}},
		}), problems: []int{http.StatusFailedDependency},
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			direction := c.choiceIn("direction", directions, &faults)
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			if direction == "pull" {
				return s.pullEffect(ctx, c)
			}
			return onID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (e revision.Effect, err error) {
				v, err := s.Revisions.Get(ctx, tx, id)
				if err != nil {
					return e, err
				}
				if err := c.permitWhole(v.Entity); err != nil {
					return e, err
				}
				return s.Revisions.Effect(ctx, tx, v)
			})(ctx, c)
		},
	}
}

// pullEffect reads records without a transaction, and then tries the version on them.
func (s *server) pullEffect(ctx context.Context, c *call) (answer, error) {
	v, conn, err := s.versionWhole(ctx, c)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, dryTimeout)
	defer cancel()
	records, err := s.Revisions.Records(ctx, conn, v, revision.MostChecked)
	if vs := schema.Violations(nil); errors.As(err, &vs) {
		return answer{}, vs
	}
	if err != nil {
		return answer{}, &Problem{
			Type: problemType("remote"), Title: "The other system cannot be read", Status: http.StatusFailedDependency, Detail: connector.AsError(err).Error(),
		}
	}
	return read(s, func(ctx context.Context, tx pgx.Tx) (revision.Effect, error) {
		return s.Revisions.EffectOnRecords(ctx, tx, v, records)
	})(ctx, c)
}

// versionWhole is the version in the path, for a caller who may see whole entities of its kind, and the connection it is of.
func (s *server) versionWhole(ctx context.Context, c *call) (v revision.Version, conn connection.Connection, err error) {
	id, err := c.id()
	if err != nil {
		return v, conn, err
	}
	err = s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
		if v, err = s.Revisions.Get(ctx, tx, id); err != nil {
			return err
		}
		conn, err = s.Connections.Get(ctx, tx, v.ConnectionID)
		return err
	})
	if err == nil {
		err = c.permitWhole(v.Entity)
	}
	return v, conn, err
}

// previewTimeout is the longest a caller waits for a system to give a record.
const previewTimeout = 20 * time.Second

func (s *server) previewVersion() operation {
	return operation{
		id: "preview-mapping-version", needs: may(access.Connections, access.Read), tag: "mappings", summary: "Show what a version of a mapping makes of one record",
		description: "Of an entity its record, or of a record, which is read from the other system now, what it says of an entity; with every fault. Nothing is sent or stored. " +
			"Needs the permission to read all fields of the entity, too.",
		body:   jsonBody(s.document, previewInput{EntityID: exampleID}),
		status: http.StatusOK, result: jsonBody(s.document, revision.Preview{Direction: "push", Source: map[string]any{"number": "SO-1"}, Result: map[string]any{"reference": "SO-1"}}),
		problems: []int{http.StatusFailedDependency},
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[previewInput](c)
			if err != nil {
				return answer{}, err
			}
			if (in.EntityID == "") == (in.RemoteID == "") {
				return answer{}, schema.Violations{{Pointer: "", Rule: "oneOf", Message: "names an entity_id or a remote_id"}}
			}
			v, conn, err := s.versionWhole(ctx, c)
			if err != nil {
				return answer{}, err
			}
			return ok(s.preview(ctx, c, conn, v, in))
		},
	}
}

func (s *server) preview(ctx context.Context, c *call, conn connection.Connection, v revision.Version, in previewInput) (p revision.Preview, err error) {
	draft := revision.New{ConnectionID: conn.ID, Entity: v.Entity, Text: v.Text}
	var record map[string]any
	if in.RemoteID != "" {
		m, err := s.Revisions.Compiled(conn, v)
		if err != nil {
			return p, err
		}
		ctx, cancel := context.WithTimeout(ctx, previewTimeout)
		defer cancel()
		found, err := s.Revisions.Remote(ctx, conn, m.Record(), in.RemoteID)
		if err != nil {
			e := connector.AsError(err)
			return p, &Problem{Type: problemType("remote"), Title: "The other system gave no record", Status: http.StatusFailedDependency, Detail: e.Error()}
		}
		if found == nil {
			return p, notFound()
		}
		record = found.Data
	}
	err = s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
		if record != nil {
			p, err = s.Revisions.PreviewRecord(ctx, tx, conn, draft, record)
			return err
		}
		id, err := parseID("/entity_id", in.EntityID)
		if err != nil {
			return err
		}
		p, err = s.Revisions.PreviewEntity(ctx, tx, conn, draft, id)
		if errors.Is(err, crm.ErrNotFound) {
			return notFound()
		}
		return err
	})
	return p, err
}
