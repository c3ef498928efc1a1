package api

import (
	"context"
	"encoding/json"
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

type versionInput struct {
	ConnectionID string           `json:"connection_id" format:"uuid" doc:"The connection it is for."`
	Entity       string           `json:"entity" doc:"What it maps." example:"order"`
	Text         string           `json:"text" minLength:"1" doc:"The mapping, in YAML; at most 256 KiB."`
	Examples     []map[string]any `json:"examples,omitempty" doc:"Cases that must hold: each an entity, a record, links, and whether it is pushed or pulled."`
	Note         string           `json:"note,omitempty" maxLength:"1000" doc:"What it is for."`
}

type previewInput struct {
	EntityID string `json:"entity_id,omitempty" format:"uuid" doc:"Make the record of this entity."`
	RemoteID string `json:"remote_id,omitempty" minLength:"1" doc:"Read this record from the other system, and make of it what it says of an entity."`
}

type rollBackInput struct {
	ConnectionID string `json:"connection_id" format:"uuid" doc:"The connection."`
	Entity       string `json:"entity" doc:"Whose mapping is taken back." example:"order"`
	Reason       string `json:"reason" minLength:"1" maxLength:"1000" doc:"Why; it is kept."`
}

// liveMapping is what holds for an entity on a connection.
type liveMapping struct {
	Entity         string `json:"entity"`
	Record         string `json:"record" doc:"The other system's name for it."`
	Number         int    `json:"number" doc:"Of the version that holds; 0 is what is shipped with the hub."`
	MappingVersion string `json:"mapping_version" doc:"Identifies its text."`
	ShippedVersion string `json:"shipped_version,omitempty" doc:"Identifies the text that is shipped; absent if none is."`
	Text           string `json:"text" doc:"Its text, in YAML."`
}

type testReport struct {
	Version  revision.Version `json:"version"`
	Entities int              `json:"entities" doc:"Made up, pushed and pulled back."`
	Examples int              `json:"examples" doc:"Run."`
	Faults   []string         `json:"faults" nullable:"false" doc:"What did not hold. Without one the draft is tested."`
}

type versionDiff struct {
	Against string               `json:"against" doc:"The mapping_version it is compared with."`
	Before  string               `json:"before" doc:"Its text."`
	After   string               `json:"after" doc:"The version's text."`
	Rules   []mapping.RuleChange `json:"rules" nullable:"false" doc:"Rule by rule, what the version does otherwise. Comments and order do not count."`
}

type rolledBack struct {
	Taken revision.Version  `json:"taken" doc:"What was taken back."`
	Live  *revision.Version `json:"live,omitempty" doc:"What is live again; absent if it is what is shipped."`
}

func (s *server) listMappings() operation {
	return operation{
		id: "list-mappings", needs: may(access.Connections, access.Read), tag: "mappings", summary: "List the mappings of a connection",
		description: "What holds now for each entity that is mapped: what is shipped, or a version of the organization's own.",
		parameters:  []*huma.Param{required(idParameter("connection_id", "The connection."))},
		status:      http.StatusOK, result: jsonBody(s.document, list[liveMapping]{Items: []liveMapping{{
			Entity: "order", Record: "sale.sale", MappingVersion: "5f0c2a9b7d11", ShippedVersion: "5f0c2a9b7d11", Text: "entity: order\n…",
		}}}), problems: []int{http.StatusNotFound},
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			of := c.idIn("connection_id", &faults)
			if !c.query.Has("connection_id") {
				faults.add("connection_id", "required", "is required")
			}
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			items := []liveMapping{}
			err := s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) error {
				conn, err := s.Connections.Get(ctx, tx, of)
				if err != nil {
					return err
				}
				for _, stream := range s.Connections.Streams(conn) {
					m, number, err := s.Revisions.Live(ctx, tx, conn, stream.Entity)
					if err != nil {
						return err
					}
					if m == nil || m.Record() != stream.Record {
						continue
					}
					item := liveMapping{Entity: stream.Entity, Record: stream.Record, Number: number, MappingVersion: m.Version(), Text: string(m.Text())}
					if shipped, ok := s.Revisions.Shipped.For(conn.Connector, stream.Entity); ok {
						item.ShippedVersion = shipped.Version()
					}
					items = append(items, item)
				}
				return nil
			})
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, page(c, items, ""))
		},
	}
}

func (s *server) listVersions() operation {
	return operation{
		id: "list-mapping-versions", needs: may(access.Connections, access.Read), tag: "mappings", summary: "List an organization's own versions of mappings",
		description: "The newest first, 500 at most, without their texts.",
		parameters: []*huma.Param{
			required(idParameter("connection_id", "Those of this connection.")), choiceParameter("entity", "Those of this kind of entity.", kindNames()),
		},
		status: http.StatusOK, result: jsonBody(s.document, list[revision.Version]{Items: []revision.Version{versionExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			of, entity := c.idIn("connection_id", &faults), c.choiceIn("entity", kindNames(), &faults)
			if !c.query.Has("connection_id") {
				faults.add("connection_id", "required", "is required")
			}
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			var found []revision.Version
			err := s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
				found, err = s.Revisions.List(ctx, tx, of, entity)
				return err
			})
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, page(c, found, ""))
		},
	}
}

func (s *server) addVersion() operation {
	return operation{
		id: "add-mapping-version", needs: may(access.Connections, access.Update), tag: "mappings", summary: "Add a draft of a mapping",
		description: "It is checked against the schemas of both sides; each fault is told with its line. A text never changes once it is stored: add another draft.",
		body:        jsonBody(s.document, versionInput{ConnectionID: exampleID, Entity: "order", Text: "entity: order\nrecord: sale.sale\nfields: []\n", Note: "Remarks go along."}),
		status:      http.StatusCreated, result: jsonBody(s.document, versionExample()), located: true, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[versionInput](c)
			if err != nil {
				return answer{}, err
			}
			draft := revision.New{Entity: in.Entity, Text: in.Text, Note: in.Note}
			if draft.ConnectionID, err = uuid.Parse(in.ConnectionID); err != nil {
				return answer{}, schema.Violations{{Pointer: "/connection_id", Rule: "format", Message: "must be a UUID"}}
			}
			if in.Examples != nil {
				if draft.Examples, err = json.Marshal(in.Examples); err != nil {
					return answer{}, err
				}
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				v, err := s.Revisions.Add(ctx, tx, draft)
				if err != nil {
					return answer{}, err
				}
				a, err := respond(http.StatusCreated, v)
				a.Location = prefix + "/mapping-versions/" + v.ID.String()
				return a, err
			})
		},
	}
}

func (s *server) getVersion() operation {
	return operation{
		id: "get-mapping-version", needs: may(access.Connections, access.Read), tag: "mappings", summary: "Get a version of a mapping",
		status: http.StatusOK, result: jsonBody(s.document, versionExample()),
		serve: s.onID(func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (any, error) { return s.Revisions.Get(ctx, tx, id) }),
	}
}

func (s *server) diffVersion() operation {
	choices := []string{"live", "shipped"}
	return operation{
		id: "diff-mapping-version", needs: may(access.Connections, access.Read), tag: "mappings", summary: "Compare a version of a mapping",
		parameters: []*huma.Param{choiceParameter("against", "With what holds now, which is meant when left out, or with what is shipped.", choices)},
		status:     http.StatusOK, result: jsonBody(s.document, versionDiff{Against: "5f0c2a9b7d11", Rules: []mapping.RuleChange{
			{Rule: "remark – comment", After: "crm: remark\nremote: comment"},
		}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			against := c.choiceIn("against", choices, &faults)
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			return s.onID(func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (any, error) {
				v, err := s.Revisions.Get(ctx, tx, id)
				if err != nil {
					return nil, err
				}
				conn, err := s.Connections.Get(ctx, tx, v.ConnectionID)
				if err != nil {
					return nil, err
				}
				after, err := s.Revisions.Compiled(conn, v)
				if err != nil {
					return nil, err
				}
				before, _ := s.Revisions.Shipped.For(conn.Connector, v.Entity)
				if against != "shipped" {
					if before, _, err = s.Revisions.Live(ctx, tx, conn, v.Entity); err != nil {
						return nil, err
					}
				}
				d := versionDiff{After: v.Text, Rules: []mapping.RuleChange{}}
				if before != nil {
					d.Against, d.Before = before.Version(), string(before.Text())
					d.Rules = append(d.Rules, mapping.Compare(before, after)...)
				}
				return d, nil
			})(ctx, c)
		},
	}
}

func (s *server) testVersion() operation {
	return operation{
		id: "test-mapping-version", needs: may(access.Connections, access.Update), tag: "mappings", summary: "Test a version of a mapping",
		description: "Entities are made up, pushed and pulled back, and the examples are run. A draft that passes is tested.",
		status:      http.StatusOK, result: jsonBody(s.document, testReport{Version: versionExample(), Entities: 200, Examples: 2, Faults: []string{}}), keyed: true,
		serve: s.writeOnID(func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (any, error) {
			v, r, err := s.Revisions.Test(ctx, tx, id)
			return testReport{v, r.Entities, r.Examples, append([]string{}, r.Faults...)}, err
		}),
	}
}

func (s *server) publishVersion() operation {
	return operation{
		id: "publish-mapping-version", needs: may(access.Connections, access.Update), tag: "mappings", summary: "Make a version of a mapping live",
		description: "It is tested first, and tried on the newest thousand linked records: it is refused if one of them would fail that does not now. " +
			"Pushes and pulls that begin use it within two seconds.",
		status: http.StatusOK, result: jsonBody(s.document, versionExample()), keyed: true, problems: []int{http.StatusConflict},
		serve: s.writeOnID(func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (any, error) {
			return s.Revisions.Publish(ctx, tx, id)
		}),
	}
}

func (s *server) rollBackMapping() operation {
	return operation{
		id: "roll-back-mapping", needs: may(access.Connections, access.Update), tag: "mappings", summary: "Take the live version of a mapping back",
		description: "What was live before is live again; if that was none of the organization's own, what is shipped is.",
		body:        jsonBody(s.document, rollBackInput{ConnectionID: exampleID, Entity: "order", Reason: "Prices came out without tax."}),
		status:      http.StatusOK, result: jsonBody(s.document, rolledBack{Taken: versionExample()}), keyed: true, problems: []int{http.StatusConflict},
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[rollBackInput](c)
			if err != nil {
				return answer{}, err
			}
			of, err := uuid.Parse(in.ConnectionID)
			if err != nil {
				return answer{}, schema.Violations{{Pointer: "/connection_id", Rule: "format", Message: "must be a UUID"}}
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				taken, again, err := s.Revisions.RollBack(ctx, tx, of, in.Entity, in.Reason)
				if err != nil {
					return answer{}, err
				}
				return respond(http.StatusOK, rolledBack{taken, again})
			})
		},
	}
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
			return s.onID(func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (any, error) {
				v, err := s.Revisions.Get(ctx, tx, id)
				if err != nil {
					return nil, err
				}
				if err := c.permitWhole(v.Entity); err != nil {
					return nil, err
				}
				return s.Revisions.Effect(ctx, tx, v, revision.MostChecked)
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
	var e revision.Effect
	err = s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
		e, err = s.Revisions.EffectOnRecords(ctx, tx, v, records)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return respond(http.StatusOK, e)
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
			p, err := s.preview(ctx, c, conn, v, in)
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, p)
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
		id, err := uuid.Parse(in.EntityID)
		if err != nil {
			return schema.Violations{{Pointer: "/entity_id", Rule: "format", Message: "must be a UUID"}}
		}
		p, err = s.Revisions.PreviewEntity(ctx, tx, conn, draft, id)
		if errors.Is(err, crm.ErrNotFound) {
			return notFound()
		}
		return err
	})
	return p, err
}

func versionExample() revision.Version {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return revision.Version{
		ID: uuid.MustParse(exampleID), ConnectionID: uuid.MustParse(exampleID), Entity: "order", Number: 3, Status: revision.Tested, MappingVersion: "5f0c2a9b7d11",
		Text: "entity: order\n…", Note: "Remarks go along.", CreatedAt: at, CreatedBy: exampleActor, TestedAt: &at,
	}
}
