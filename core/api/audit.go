package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/audit"
	"crmhub/core/crm"
	"crmhub/core/postgres"
)

func (s *server) listAudit() operation {
	text := &huma.Schema{Type: huma.TypeString}
	return operation{
		id: "list-audit", needs: may(access.Audit, access.Read), tag: "audit", summary: "List the audit trail",
		description: "Who did what, the newest first. The detail of a creation is what was created, that of an update or deletion each changed field " +
			"with what it was and is. A write appears here within a second.",
		parameters: append([]*huma.Param{
			queryParameter("entity", "What was done to this kind of thing: a kind of entity, or token, user, session, connection, job, run, dead_letter, …", text, "order"),
			idParameter("entity_id", "What became of this one; in the order of its versions."),
			queryParameter("actor", "What was done by this one.", text, exampleActor),
			queryParameter("action", "Where this was done: created, updated, deleted, revoked, …", text, "updated"),
			timeParameter("from", "From this time on."),
			timeParameter("to", "Before this time."),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[audit.Entry]{Items: []audit.Entry{entryExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			f := audit.Filter{
				Entity: c.query.Get("entity"), EntityID: c.idIn("entity_id", &faults), Actor: c.query.Get("actor"), Action: c.query.Get("action"),
				From: c.timeIn("from", &faults), To: c.timeIn("to", &faults),
				After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[audit.Entry], error) {
				found, err := audit.List(ctx, tx, f)
				if err != nil {
					return found, err
				}
				return found, c.plainEntries(found.Items)
			})
		},
	}
}

func (s *server) getAudit() operation {
	return operation{
		id: "get-audit-entry", needs: may(access.Audit, access.Read), tag: "audit", summary: "Get an entry of the audit trail",
		parameters: []*huma.Param{{
			Name: "number", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: new(1.0)}, Example: 42,
		}},
		status: http.StatusOK, result: jsonBody(s.document, entryExample()), problems: []int{http.StatusNotFound},
		serve: func(ctx context.Context, c *call) (answer, error) {
			number, err := strconv.ParseInt(c.request.PathValue("number"), 10, 64)
			if err != nil || number < 1 {
				return answer{}, parameterFault("number", "format", "must be a whole number from 1 on")
			}
			return read(s, func(ctx context.Context, tx pgx.Tx) (audit.Entry, error) {
				entry, err := audit.Get(ctx, tx, number)
				if err != nil {
					return entry, err
				}
				one := []audit.Entry{entry}
				err = c.plainEntries(one)
				return one[0], err
			})(ctx, c)
		},
	}
}

// maxVerified bounds how long a request recomputes: a second or two.
const maxVerified = 100_000

// lastNumber is more entries than there will ever be, and exact in JSON.
const lastNumber = 1 << 53

func (s *server) verifyAudit() operation {
	one, most, last := 1.0, float64(maxVerified), float64(lastNumber)
	number := &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: &one, Maximum: &last}
	return operation{
		id: "verify-audit", needs: may(access.Audit, access.Read), tag: "audit", summary: "Verify the audit trail",
		description: "Recomputes the hashes of a part of the trail and says where it breaks first. While more is true, go on from the number after last. " +
			"Note down the last hash elsewhere: it stands for all entries up to it.",
		parameters: []*huma.Param{
			queryParameter("from", "The first entry to recompute; the one before it is believed.", number, 1),
			queryParameter(limitParameter, "How many to recompute at most.", &huma.Schema{Type: huma.TypeInteger, Minimum: &one, Maximum: &most, Default: maxVerified}, 1000),
		},
		status: http.StatusOK, result: jsonBody(s.document, audit.Report{Entries: 41, Last: 41, Hash: audit.Hash{0x5f}, Fault: &audit.Fault{Number: 42, Kind: audit.Changed}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			r := audit.Range{From: c.numberIn("from", 1, lastNumber, &faults), Limit: c.numberIn(limitParameter, maxVerified, maxVerified, &faults)}
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			return read(s, func(ctx context.Context, tx pgx.Tx) (audit.Report, error) {
				return audit.Verify(ctx, tx, s.Key, c.who.Principal.Organization, r)
			})(ctx, c)
		},
	}
}

func (e entities) history() operation {
	return operation{
		id: "list-" + slug(string(e.kind)) + "-history", needs: may(e.resource(), access.Read), tag: "entities", summary: "List what became of " + article(e.kind),
		description: "Its entries in the audit trail, the newest first; of a deleted one too. A write appears here within a second.",
		parameters:  pageParameters(),
		status:      http.StatusOK, result: jsonBody(e.document, list[audit.Entry]{Items: []audit.Entry{entryExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			var faults parameterFaults
			f := audit.Filter{Entity: string(e.kind), EntityID: id, After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults)}
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			var found postgres.Page[audit.Entry]
			err = e.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) error {
				known, err := e.CRM.Get(ctx, tx, e.kind, []uuid.UUID{id})
				if err != nil {
					return err
				}
				if known[id] == nil {
					return notFound()
				}
				found, err = audit.List(ctx, tx, f)
				return err
			})
			if err != nil {
				return answer{}, err
			}
			if err := c.plainEntries(found.Items); err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, page(c, found.Items, found.Next))
		},
	}
}

// plainEntries takes out of entries about records what the caller does not see of these, and the salt: with it he could try
// out which value gives the digest.
func (c *call) plainEntries(entries []audit.Entry) (err error) {
	for i := range entries {
		entry, resource := &entries[i], access.Resource(entries[i].Entity)
		if !slices.Contains(crm.Kinds(), crm.Kind(resource)) || len(c.who.Blind(resource)) == 0 {
			continue
		}
		if entry.Detail, err = c.who.Plainly(resource, entry.Detail); err != nil {
			return fmt.Errorf("entry %d of the audit trail: %w", entry.Number, err)
		}
		entry.Salt = nil
	}
	return nil
}

func timeParameter(name, description string) *huma.Param {
	return queryParameter(name, description, &huma.Schema{Type: huma.TypeString, Format: "date-time"}, "2026-09-01T08:00:00Z")
}

// timeIn reads an instant in the query; the zero time if it is not there.
func (c *call) timeIn(name string, faults *parameterFaults) time.Time {
	if !c.query.Has(name) {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, c.query.Get(name))
	if err != nil {
		faults.add(name, "format", "must be a time like 2006-01-02T15:04:05Z")
	}
	return at
}

// numberIn reads a whole number from 1 to most in the query, or returns unsaid if it is not there.
func (c *call) numberIn(name string, unsaid, most int64, faults *parameterFaults) int64 {
	if !c.query.Has(name) {
		return unsaid
	}
	n, err := strconv.ParseInt(c.query.Get(name), 10, 64)
	if err != nil || n < 1 || n > most {
		faults.add(name, "range", "must be a whole number from 1 to "+strconv.FormatInt(most, 10))
	}
	return n
}

func entryExample() audit.Entry {
	id := uuid.MustParse(exampleID)
	return audit.Entry{
		Number: 42, At: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC), Actor: exampleActor, Action: "updated", Entity: "order", EntityID: &id, Version: 7,
		Detail: json.RawMessage(`{"status":["draft","confirmed"]}`), PreviousHash: audit.Hash{0x8a}, Hash: audit.Hash{0x5f},
	}
}
