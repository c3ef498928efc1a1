package privacy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"crmhub/core/crm"
)

// statement empties one place that keeps a copy of what entities said.
type statement struct {
	name string // under which Erasure counts it
	sql  string
}

// of the entities themselves: $1 kinds, $2 ids; e are they, l their links.
const (
	withEntities = `with e as (select * from unnest($1::text[], $2::uuid[]) e (entity, entity_id)) `
	withLinks    = `with e as (select * from unnest($1::text[], $2::uuid[]) e (entity, entity_id)),
	l as (select k.connection_id, k.entity, k.remote_id from links k join e using (entity, entity_id) where k.remote_id is not null) `
)

// letterErased is what is left of a dead letter of which nothing may be kept.
const letterErased = `payload = null, said = null, violations = '[]', message = 'It was erased at somebody''s request.', updated_at = now(),
	reason = case when status = 'resolved' then reason else 'erased' end, closed_at = coalesce(closed_at, now()),
	status = case when status = 'open' then 'dismissed' else status end`

// byEntity are the places that say of which entity, or of which of its records, they keep something.
var byEntity = []statement{ //nolint:gochecknoglobals // a table
	{"attachment", withEntities + `delete from attachments a using e where a.entity = e.entity and a.entity_id = e.entity_id`},
	{"conflict", withEntities + `
update conflicts c set base = null, ours = null, theirs = null, record = null, updated_at = now(), settled_by = coalesce(settled_by, crmhub_actor()),
	status = case when status = 'open' then 'ours' else status end
from e where c.entity = e.entity and c.entity_id = e.entity_id`},
	{"difference", withLinks + `
update differences d set title = null, message = null, fields = '[]', ours = null, theirs = null, record = null, digest = null,
	state = case when state = 'open' then 'mended' else state end, reason = case when state = 'open' then null else reason end
where d.entity_id in (select entity_id from e) or exists (
	select from l join reconciliations r on r.id = d.reconciliation_id and r.connection_id = l.connection_id and r.entity = l.entity
	where l.remote_id = d.remote_id)`},
	{"dead_letter", withLinks + `
update dead_letters d set ` + letterErased + `
where exists (select from e where d.entity = e.entity and d.entity_id = e.entity_id) or exists (
	select from l where d.connection_id = l.connection_id and d.entity = l.entity and d.remote_id = l.remote_id)`},
	{"duplicate_pair", withEntities + `
delete from duplicate_pairs d using e where d.entity = e.entity and e.entity_id in (d.a_id, d.b_id) and d.status = 'open'`},
	{"proposal", withEntities + `
update proposals p set title = null, theirs = null, record = null, message = null from e where p.entity = e.entity and p.entity_id = e.entity_id`},
	{"inbox_file", withEntities + `
update invoice_inbox i set name = 'erased', data = null, buyer = '{}', findings = '[]', reason = 'It was erased at somebody''s request.',
	decided_at = coalesce(decided_at, now()), decided_by = coalesce(decided_by, crmhub_actor()), status = case when status = 'review' then 'refused' else status end
from e where e.entity = 'customer' and i.customer_id = e.entity_id`},
	{"merge", withEntities + `update merge_log m set before = '{}' from e where m.entity = e.entity and e.entity_id in (m.survivor_id, m.loser_id)`},
	{"import_row", withEntities + `delete from import_effects f using e where f.entity_id = e.entity_id`},
	{"link", withEntities + `
update links k set cause = null, snapshot = (
	select coalesce(jsonb_object_agg(s.key, s.value), '{}') from jsonb_each(k.snapshot) s
	where s.key <> 'ext' and not exists (select from unnest($3::text[]) f where f = k.entity || '.' || s.key))
from e where k.entity = e.entity and k.entity_id = e.entity_id and k.snapshot is not null`},
}

// byEntityErased are those of them that only the eraser may change.
var byEntityErased = []statement{ //nolint:gochecknoglobals // a table
	{"exchange", withEntities + `update exchanges x set exchanges = null, cause = null from e where x.entity = e.entity and x.entity_id = e.entity_id`},
	{"campaign_event", withEntities + `
update campaign_events v set detail = null from e where e.entity = 'campaign_member' and v.member_id = e.entity_id and v.detail is not null`},
	{"pool_event", withEntities + `update pool_log p set reason = null from e where e.entity = 'customer' and p.customer_id = e.entity_id and p.reason is not null`},
}

// byText are the places that keep what came or went without naming an entity: they are looked through for the texts by which
// somebody is known. $1 are the texts, $2 the same as JSON writes them; crmhub_scrub and crmhub_says are those of migration 0027.
var byText = []statement{ //nolint:gochecknoglobals // a table
	{"alert", `update alerts set name = crmhub_scrub(name, $1), detail = crmhub_scrub(detail::text, $2)::jsonb
where crmhub_says(name, $1) or crmhub_says(detail::text, $2)`},
	{"dead_letter", `
update dead_letters set ` + letterErased + `
where entity in ('customer', 'contact') and (crmhub_says(payload::text, $2) or crmhub_says(message, $1))`},
	{"dead_letter", `
update dead_letters set payload = crmhub_scrub(payload::text, $2)::jsonb, message = crmhub_scrub(message, $1),
	said = crmhub_scrub(said::text, $2)::jsonb, violations = crmhub_scrub(violations::text, $2)::jsonb, reason = crmhub_scrub(reason, $1)
where crmhub_says(payload::text, $2) or crmhub_says(message, $1) or crmhub_says(violations::text, $2) or crmhub_says(reason, $1)`},
	{"conflict", `
update conflicts set base = crmhub_scrub(base::text, $2)::jsonb, ours = crmhub_scrub(ours::text, $2)::jsonb, theirs = crmhub_scrub(theirs::text, $2)::jsonb,
	record = crmhub_scrub(record::text, $2)::jsonb
where crmhub_says(base::text, $2) or crmhub_says(ours::text, $2) or crmhub_says(theirs::text, $2) or crmhub_says(record::text, $2)`},
	{"difference", `
update differences d set title = null, message = null, fields = '[]', ours = null, theirs = null, record = null, digest = null
from reconciliations r
where r.id = d.reconciliation_id and r.entity in ('customer', 'contact')
	and (crmhub_says(d.title, $1) or crmhub_says(d.ours::text, $2) or crmhub_says(d.theirs::text, $2) or crmhub_says(d.record::text, $2))`},
	{"difference", `
update differences set title = crmhub_scrub(title, $1), message = crmhub_scrub(message, $1), fields = crmhub_scrub(fields::text, $2)::jsonb,
	ours = crmhub_scrub(ours::text, $2)::jsonb, theirs = crmhub_scrub(theirs::text, $2)::jsonb, record = crmhub_scrub(record::text, $2)::jsonb,
	reason = crmhub_scrub(reason, $1)
where crmhub_says(title, $1) or crmhub_says(message, $1) or crmhub_says(fields::text, $2) or crmhub_says(ours::text, $2)
	or crmhub_says(theirs::text, $2) or crmhub_says(record::text, $2) or crmhub_says(reason, $1)`},
	{"proposal", `
delete from proposals where state = 'open' and entity in ('customer', 'contact')
	and (crmhub_says(title, $1) or crmhub_says(message, $1) or crmhub_says(theirs::text, $2) or crmhub_says(record::text, $2))`},
	{"proposal", `
update proposals set title = crmhub_scrub(title, $1), message = crmhub_scrub(message, $1), theirs = crmhub_scrub(theirs::text, $2)::jsonb,
	record = crmhub_scrub(record::text, $2)::jsonb
where crmhub_says(title, $1) or crmhub_says(message, $1) or crmhub_says(theirs::text, $2) or crmhub_says(record::text, $2)`},
	{"inbox_file", `
update invoice_inbox set name = 'erased', data = null, buyer = '{}', findings = '[]', reason = 'It was erased at somebody''s request.',
	decided_at = coalesce(decided_at, now()), decided_by = coalesce(decided_by, crmhub_actor()), status = case when status = 'review' then 'refused' else status end
where crmhub_holds(data, $1) or crmhub_says(name, $1) or crmhub_says(buyer::text, $2) or crmhub_says(reason, $1) or crmhub_says(findings::text, $2)`},
	{"run_line", `update run_lines set message = crmhub_scrub(message, $1), said = crmhub_scrub(said::text, $2)::jsonb where crmhub_says(message, $1)`},
	{"run", `update runs set error = crmhub_scrub(error::text, $2)::jsonb where crmhub_says(error::text, $2)`},
	{"link", `update links set cause = crmhub_scrub(cause::text, $2)::jsonb, snapshot = crmhub_scrub(snapshot::text, $2)::jsonb
where crmhub_says(cause::text, $2) or crmhub_says(snapshot::text, $2)`},
	{"delivery", `delete from deliveries where status = 'pending' and crmhub_says(body, $2)`},
	{"delivery", `update deliveries set body = crmhub_scrub(body, $2), summary = crmhub_scrub(summary, $1)
where crmhub_says(body, $2) or crmhub_says(summary, $1)`},
	{"webhook_message", `update webhook_messages set said = crmhub_scrub(said, $1) where crmhub_says(said, $1)`},
	{"invoice_finding", `update invoice_findings set message = crmhub_scrub(message, $1) where crmhub_says(message, $1)`},
	{"import", `
update imports set name = crmhub_scrub(name, $1), preview = crmhub_scrub(preview::text, $2)::jsonb, defaults = crmhub_scrub(defaults::text, $2)::jsonb,
	error = crmhub_scrub(error, $1)
where crmhub_says(name, $1) or crmhub_says(preview::text, $2) or crmhub_says(defaults::text, $2) or crmhub_says(error, $1)`},
	{"import_row", `
update import_refusals set cells = (select jsonb_agg('•••'::text) from jsonb_array_elements(cells)), violations = crmhub_scrub(violations::text, $2)::jsonb
where crmhub_says(cells::text, $2) or crmhub_says(violations::text, $2)`},
	{"import_row", `delete from import_rows where crmhub_holds(cells, $1)`},
}

// An answer that a client may ask for again stays, so that nothing is done twice, and says nothing more: package api says that it is gone.
const forgetAnswers = `update idempotency_keys set status = 410, etag = '', location = '', body = null where crmhub_holds(body, $1)`

// What was told to subscribers names the entity. What they still wait for comes with the version without the data.
var byName = []statement{ //nolint:gochecknoglobals // a table
	{"delivery", `delete from deliveries where status = 'pending' and crmhub_says(body, $1)`},
	{"delivery", `update deliveries set body = '{}' where crmhub_says(body, $1)`},
}

// Files. One that came in goes whole if a row of it became one of the entities, if a text is found in it, or if it may be in it
// where it cannot be looked into; what waited to be run is cancelled. One that went out goes if it may hold them.
const (
	selectFiles = `
select i.id from imports i
where exists (select from import_effects f where f.import_id = i.id and f.entity_id = any($2))
	or exists (select from import_chunks c where c.import_id = i.id and crmhub_holds(c.data, $3))
	or i.entity = any($1) and lower(right(i.name, 5)) = '.xlsx' and exists (select from import_chunks c where c.import_id = i.id)`
	dropFiles   = `delete from import_chunks where import_id = any($1)`
	cancelFiles = `
update imports set preview = null, status = case when status in ('uploaded', 'previewed') then 'cancelled' else status end,
	finished_at = coalesce(finished_at, now())
where id = any($1)`
	dropExports = `delete from exports where entity = any($1) and status <> 'running'`
)

func forgetCopies(ctx context.Context, tx pgx.Tx, e *Erasure, p *person, said []string) error {
	kinds, of := p.all()
	escaped, known := make([]string, len(said)), make([]string, 0, 2*len(said)+len(of))
	for i, s := range said {
		escaped[i] = inJSON(s)
	}
	known = append(append(known, said...), escaped...)
	files, err := ids(ctx, tx, selectFiles, p.kinds(), of, known)
	if err != nil {
		return err
	}
	var b pgx.Batch
	queue := func(s statement, args ...any) {
		b.Queue(s.sql, args...).Exec(func(tag pgconn.CommandTag) error {
			e.Erased[s.name] += tag.RowsAffected()
			return nil
		})
	}
	for _, s := range byEntity {
		if args := []any{kinds, of, p.fields()}; strings.Contains(s.sql, "$3") {
			queue(s, args...)
		} else {
			queue(s, args[:2]...)
		}
	}
	b.Queue("set local role crmhub_eraser")
	for _, s := range byEntityErased {
		queue(s, kinds, of)
	}
	b.Queue("set local role crmhub_app")
	queue(statement{"import_file", dropFiles}, files)
	b.Queue(cancelFiles, files)
	queue(statement{"export_file", dropExports}, p.kinds())
	named := make([]string, len(of))
	for i, id := range of {
		named[i] = id.String()
	}
	known = append(known, named...)
	for _, s := range byName {
		queue(s, named)
	}
	queue(statement{"answer", forgetAnswers}, known)
	if len(said) > 0 {
		for _, s := range byText {
			var args []any
			sql := s.sql
			switch raw, js := strings.Contains(sql, "$1"), strings.Contains(sql, "$2"); {
			case raw && js:
				args = []any{said, escaped}
			case js:
				sql, args = strings.ReplaceAll(sql, "$2", "$1"), []any{escaped}
			default:
				args = []any{said}
			}
			queue(statement{s.name, sql}, args...)
		}
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("erase what keeps copies: %w", err)
	}
	return nil
}

// fields are the personal ones of the kinds, as kind.field.
func (p *person) fields() []string {
	var all []string
	for _, k := range p.kinds() {
		for _, f := range crm.Personal(k) {
			all = append(all, string(k)+"."+f)
		}
	}
	return all
}

// inJSON is a text as it stands between the quotation marks of JSON.
func inJSON(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return s
	}
	return strings.Trim(strings.TrimSpace(b.String()), `"`)
}
