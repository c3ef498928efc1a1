package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/mapping"
	"crmhub/core/revision"
)

type versionInput struct {
	ConnectionID string           `json:"connection_id" format:"uuid" doc:"The connection it is for."`
	Entity       string           `json:"entity" doc:"What it maps." example:"order"`
	Text         string           `json:"text" minLength:"1" doc:"The mapping, in YAML; at most 256 KiB."`
	Examples     []map[string]any `json:"examples,omitempty" doc:"Cases that must hold: each an entity, a record, links, and whether it is pushed or pulled."`
	Note         string           `json:"note,omitempty" maxLength:"1000" doc:"What it is for."`
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
			return listedAll(ctx, s, c, faults, func(tx pgx.Tx) ([]revision.Version, error) { return s.Revisions.List(ctx, tx, of, entity) })
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
			if draft.ConnectionID, err = parseID("/connection_id", in.ConnectionID); err != nil {
				return answer{}, err
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
				return created("/mapping-versions", v.ID, v)
			})
		},
	}
}

func (s *server) getVersion() operation {
	return operation{
		id: "get-mapping-version", needs: may(access.Connections, access.Read), tag: "mappings", summary: "Get a version of a mapping",
		status: http.StatusOK, result: jsonBody(s.document, versionExample()),
		serve: onID(s, s.Revisions.Get),
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
			return onID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (d versionDiff, err error) {
				v, err := s.Revisions.Get(ctx, tx, id)
				if err != nil {
					return d, err
				}
				conn, err := s.Connections.Get(ctx, tx, v.ConnectionID)
				if err != nil {
					return d, err
				}
				after, err := s.Revisions.Compiled(conn, v)
				if err != nil {
					return d, err
				}
				before, _ := s.Revisions.Shipped.For(conn.Connector, v.Entity)
				if against != "shipped" {
					if before, _, err = s.Revisions.Live(ctx, tx, conn, v.Entity); err != nil {
						return d, err
					}
				}
				d = versionDiff{After: v.Text, Rules: []mapping.RuleChange{}}
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
		serve: writeOnID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (testReport, error) {
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
		serve: writeOnID(s, s.Revisions.Publish),
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
			of, err := parseID("/connection_id", in.ConnectionID)
			if err != nil {
				return answer{}, err
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

func versionExample() revision.Version {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return revision.Version{
		ID: uuid.MustParse(exampleID), ConnectionID: uuid.MustParse(exampleID), Entity: "order", Number: 3, Status: revision.Tested, MappingVersion: "5f0c2a9b7d11",
		Text: "entity: order\n…", Note: "Remarks go along.", CreatedAt: at, CreatedBy: exampleActor, TestedAt: &at,
	}
}
