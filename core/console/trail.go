package console

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/audit"
	"crmhub/core/crm"
)

const auditPath = "/admin/audit"

// trailPage is the data of the page of the audit trail.
type trailPage struct {
	pager
	Entities []option
	Actors   []option
	Actions  []option
	From, To string
	EntityID string
	Items    []trailRow
	Report   *audit.Report
	Fault    string // what the report found
	Verified int64
	asked    url.Values
}

// Filtered reports whether the list may be empty only because of what was asked for.
func (p *trailPage) Filtered() bool { return len(p.asked) > 0 }

// trailRow is an entry of the trail as the page shows it.
type trailRow struct {
	audit.Entry
	Who    string
	What   string // the kind of thing
	Title  string // of a record, "" where the visitor does not see it
	Link   string // to the thing, "" if it has no page
	Fields []trailField
	More   string // what else it says, as JSON
}

// trailField is a field with what it was and is.
type trailField struct{ Name, Was, Is string }

// maxVerified bounds how much of the trail is recomputed for one click: a second or two.
const maxVerified = 100_000

func (c *Console) showTrail(ctx context.Context, v *visit) error {
	return v.writeTrail(ctx, nil)
}

// verifyTrail recomputes the trail, and says where it breaks first.
func (c *Console) verifyTrail(ctx context.Context, v *visit) error {
	report, err := get(ctx, v, func(tx pgx.Tx) (audit.Report, error) {
		return audit.Verify(ctx, tx, c.Key, v.who.Principal.Organization, audit.Range{Limit: maxVerified})
	})
	if err != nil {
		return err
	}
	return v.writeTrail(ctx, &report)
}

func (v *visit) writeTrail(ctx context.Context, report *audit.Report) error {
	q := v.r.URL.Query()
	p := &trailPage{From: q.Get("from"), To: q.Get("to"), EntityID: q.Get("entity_id"), Report: report, asked: firsts(q)}
	p.asked.Del("after")
	if report != nil && report.Fault != nil {
		p.Fault = v.say("audit.fault."+string(report.Fault.Kind), report.Fault.Number)
	}
	f := audit.Filter{Entity: q.Get("entity"), Actor: q.Get("actor"), Action: q.Get("action"), After: q.Get("after"), Limit: pageSize}
	var err error
	if p.EntityID != "" {
		if f.EntityID, err = uuid.Parse(p.EntityID); err != nil {
			return errAddress
		}
	}
	if f.From, err = v.day(p.From, 0); err != nil {
		return err
	}
	if f.To, err = v.day(p.To, 1); err != nil {
		return err
	}
	address := func(after string) string {
		to := maps.Clone(p.asked)
		if after != "" {
			to.Set("after", after)
		}
		if len(to) == 0 {
			return auditPath
		}
		return auditPath + "?" + to.Encode()
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		known, err := v.everybody(ctx, tx)
		if err != nil {
			return err
		}
		found, err := audit.List(ctx, tx, f)
		if err != nil {
			return err
		}
		for _, e := range found.Items {
			p.Items = append(p.Items, v.trailRow(e, known))
		}
		p.pager = pagerOf(address, f.After, found.Next)
		p.choices(v, f, known)
		return v.titledEntries(ctx, tx, p.Items)
	})
	if err != nil {
		return err
	}
	v.here = auditPath
	return v.write(http.StatusOK, "audit", p)
}

// titledEntries names the records that entries are about, as far as the visitor sees them.
func (v *visit) titledEntries(ctx context.Context, tx pgx.Tx, rows []trailRow) error {
	var records []*trailRow
	for i := range rows {
		if rows[i].Link != "" && slices.Contains(crm.Kinds(), crm.Kind(rows[i].Entity)) {
			records = append(records, &rows[i])
		}
	}
	about := func(i int) (string, uuid.UUID) { return records[i].Entity, *records[i].EntityID }
	return v.titled(ctx, tx, len(records), about, func(i int, title, _ string) { records[i].Title = title })
}

// day is when a day that the address names begins in the visitor's zone, or one some days later; the zero time for none.
func (v *visit) day(s string, later int) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	d, err := crm.ParseDate(s)
	if err != nil || d.Time().Year() < 1 {
		return time.Time{}, errAddress
	}
	t := d.Time()
	return time.Date(t.Year(), t.Month(), t.Day()+later, 0, 0, 0, 0, v.zone()), nil
}

// auditedThings are what the trail tells of besides records.
func auditedThings() []string {
	return []string{
		"user", "role", "department", "team", "session", "token", "organization", "connection", "job", "run", "dead_letter", "link", "import", "attachment", "pool",
		"mapping_version", "proposal", "subscription", "alert", "alert_settings", "merge", "drift", "seller", "pool_limit", "pool_settings", "recycle_rule", "target", "view", "export", "difference",
	}
}

// auditedActions are what is looked for in the trail, the most frequent first.
func auditedActions() []string {
	return []string{
		"created", "updated", "deleted", "restored", "merged", "unmerged", "erased", "exported", "revealed", "signed_in", "sign_in_reset", "password_changed",
		"second_factor_begun", "second_factor_ended", "unlocked", "revoked", "sessions_revoked", "handed_over", "claimed", "assigned", "released", "recycled",
		"queued", "paused", "resumed", "cancelled", "accepted", "discarded", "rejected", "replayed", "dismissed", "settled", "mended", "ignored", "acknowledged", "linked", "unlinked",
		"drafted", "published", "rolled_back", "webhook_set", "webhook_removed", "attached", "detached", "secret_rotated", "ended",
		"asked_to_preview", "asked_to_run", "asked_to_undo", "asked_to_cancel",
	}
}

func (p *trailPage) choices(v *visit, f audit.Filter, known *names) {
	p.Entities = []option{{"", v.say("audit.any_entity"), f.Entity == ""}}
	for _, k := range crm.Kinds() {
		p.Entities = append(p.Entities, option{string(k), v.say("kinds." + string(k)), f.Entity == string(k)})
	}
	for _, thing := range auditedThings() {
		p.Entities = append(p.Entities, option{thing, v.say("audit.thing." + thing), f.Entity == thing})
	}
	if !slices.ContainsFunc(p.Entities, func(o option) bool { return o.Chosen }) {
		p.Entities = append(p.Entities, option{f.Entity, f.Entity, true})
	}
	p.Actions = []option{{"", v.say("audit.any_action"), f.Action == ""}}
	for _, action := range auditedActions() {
		p.Actions = append(p.Actions, option{action, v.words().act(action), f.Action == action})
	}
	if !slices.ContainsFunc(p.Actions, func(o option) bool { return o.Chosen }) {
		p.Actions = append(p.Actions, option{f.Action, f.Action, true})
	}
	p.Actors = []option{{"", v.say("audit.anybody"), f.Actor == ""}, {"system", v.say("record.by_system"), f.Actor == "system"}}
	for _, person := range known.persons {
		actor := "user:" + person.ID.String()
		p.Actors = append(p.Actors, option{actor, person.Name, f.Actor == actor})
	}
	for _, id := range slices.Sorted(maps.Keys(known.connections)) {
		actor := "connection:" + id
		p.Actors = append(p.Actors, option{actor, known.connections[id], f.Actor == actor})
	}
	if !slices.ContainsFunc(p.Actors, func(o option) bool { return o.Chosen }) {
		p.Actors = append(p.Actors, option{f.Actor, f.Actor, true})
	}
}

// trailRow shows an entry. An auditor reads it as it is; of records, others see the fields that their roles show them.
func (v *visit) trailRow(e audit.Entry, known *names) trailRow {
	r := trailRow{Entry: e, Who: v.actor(e.Actor, known), What: e.Entity}
	k := crm.Kind(e.Entity)
	isKind := slices.Contains(crm.Kinds(), k)
	switch {
	case isKind:
		r.What = v.say("state.entity." + e.Entity)
		if e.EntityID != nil && v.who.May(access.Resource(k), access.Read) != "" {
			r.Link = pathOf(k) + "/" + e.EntityID.String()
		}
	case slices.Contains(auditedThings(), e.Entity):
		r.What = v.say("audit.thing." + e.Entity)
		if paths := map[string]string{"user": usersPath, "role": rolesPath}; e.EntityID != nil && paths[e.Entity] != "" {
			r.Link = paths[e.Entity] + "/" + e.EntityID.String()
		}
	}
	if len(e.Detail) == 0 {
		return r
	}
	detail := e.Detail
	if isKind {
		var err error
		if detail, err = v.who.Plainly(access.Resource(k), detail); err != nil {
			return r // no object: nothing to show by fields
		}
	}
	r.Fields, r.More = v.trailFields(e, detail, isKind)
	return r
}

// trailFields are the fields of a detail: of a change with what they were, of a creation only what they are.
func (v *visit) trailFields(e audit.Entry, detail json.RawMessage, isKind bool) (fields []trailField, more string) {
	var doc map[string]json.RawMessage
	if json.Unmarshal(detail, &doc) != nil {
		return nil, string(detail)
	}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		label := name
		if isKind {
			label = v.label(e.Entity + "." + name)
		}
		var pair []json.RawMessage
		if json.Unmarshal(doc[name], &pair) == nil && len(pair) == 2 && e.Action != "created" {
			fields = append(fields, trailField{label, plainJSON(pair[0]), plainJSON(pair[1])})
			continue
		}
		if is := plainJSON(doc[name]); is != "" {
			fields = append(fields, trailField{Name: label, Is: is})
		}
	}
	return fields, ""
}

// plainJSON writes a value for people: a text without quotes, nothing for nothing.
func plainJSON(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return fmt.Sprint(v)
	case []any:
		if len(v) == 0 {
			return ""
		}
	}
	return strings.TrimSpace(string(raw))
}
