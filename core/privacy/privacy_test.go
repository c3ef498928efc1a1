package privacy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/shopspring/decimal"

	"crmhub/core/attachment"
	"crmhub/core/audit"
	"crmhub/core/crm"
	"crmhub/core/duplicate"
	"crmhub/core/job"
	"crmhub/core/journey"
	"crmhub/core/link"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/privacy"
	"crmhub/core/secret"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// mark is in everything the test says of the person.
const mark = "qx7zanna"

// holdsNothing are the tables without data of customers or contacts. Who adds a table says so here, or lets it be filled below
// and erased by this package.
var holdsNothing = strings.Fields(`
	alert_settings api_tokens audit_heads audit_position breakers campaigns connections contact_customers currency_rates cursors custom_fields departments
	duplicate_pairs erased erasures export_chunks goose_db_version hand_over_parts hand_overs identities import_rows imports invoice_findings invoice_lines job_order jobs
	login_events mapping_versions number_sequences opportunity_lines opportunity_stage_log order_instalments order_lines organizations outbox_ends
	outbox_position payment_allocations pipeline_stages pipelines pool_limits pool_rules pool_settings preset_fields preset_grants preset_roles prices
	product_categories products publications reconciled_records reconciliations recovery_codes role_fields role_grants roles runs second_factors
	segment_conditions segment_members segments sellers sessions sign_in_attempts sign_ins subscriptions targets team_members teams user_roles users
	webhooks exports audit_acts attachment_chunks exchanges kept_parties matchings proposal_candidates rejected_pairs drift_profiles drift_findings
	list_views list_view_defaults booked_lines invoiced_lines opportunity_stays booked_documents invoiced_documents customer_regions database_home`)

// stays are the places where the data may be once they are erased.
var stays = map[string]string{
	"kept_parties.party":    "what issued invoices have to say of their party",
	"contracts.name":        "a contract that was signed is evidence",
	"contracts.search":      "its words",
	"contracts.remark":      "as its name",
	"contract_signers.name": "as its name",
	"outbox.data":           "the change that says so of the contract",
	"audit_log.detail":      "the entry that says so of the contract",
}

type office struct {
	testing.TB
	db     *postgres.DB
	who    postgres.Principal
	store  *crm.Store
	key    secret.Key
	sealer *audit.Sealer
}

func newOffice(t testing.TB) *office {
	t.Helper()
	key, err := secret.NewKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	o := &office{TB: t, db: postgrestest.New(t), store: &crm.Store{}, key: key}
	o.who = postgrestest.Organization(t, o.db)
	o.sealer = audit.NewSealer(audit.SealerConfig{DB: o.db, Key: key, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	return o
}

func (o *office) as(fn func(ctx context.Context, tx pgx.Tx) error) {
	o.Helper()
	if err := o.db.As(o.Context(), o.who, func(tx pgx.Tx) error { return fn(o.Context(), tx) }); err != nil {
		o.Fatal(err)
	}
}

func (o *office) save(entities ...crm.Entity) {
	o.Helper()
	o.as(func(ctx context.Context, tx pgx.Tx) error {
		for _, e := range entities {
			by := crm.By{Actor: postgres.Connection(uuid.Nil), Origin: "erp"} // which may bring what has happened already
			if err := o.store.Save(ctx, tx, by, []crm.Entity{e}); err != nil {
				return fmt.Errorf("%s: %w", e.Kind(), err)
			}
		}
		return nil
	})
}

func (o *office) by() crm.By { return crm.By{Actor: o.who.Actor, Origin: "crm"} }

func (o *office) sql(sql string, args ...any) {
	o.Helper()
	o.as(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sql, args...)
		return err
	})
}

// seal seals all there is. Transactions of other tests on the server hold it up.
func (o *office) seal() {
	o.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if _, err := o.sealer.Seal(o.Context()); err != nil {
			o.Fatal(err)
		}
		var left int
		err := o.db.AsAuditor(o.Context(), func(tx pgx.Tx) error {
			return tx.QueryRow(o.Context(), `select (select count(*) from audit_acts) + (
				select count(*) from outbox x where not exists (select from audit_log l where l.entity_id = x.entity_id and l.version = x.version))`).Scan(&left)
		})
		if err != nil {
			o.Fatal(err)
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			o.Fatalf("%d are not sealed", left)
		}
	}
}

// found says in which columns of which tables the mark is.
func (o *office) found() map[string]int {
	o.Helper()
	const columns = `
select c.relname, a.attname, a.atttypid = 'bytea'::regtype
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
	and a.atttypid in ('text'::regtype, 'json'::regtype, 'jsonb'::regtype, 'bytea'::regtype, 'text[]'::regtype, 'tsvector'::regtype)`
	found := map[string]int{}
	err := o.db.AsSystem(o.Context(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(o.Context(), "reset role"); err != nil {
			return err
		}
		rows, err := tx.Query(o.Context(), columns)
		if err != nil {
			return err
		}
		type column struct {
			Table, Name string
			Bytes       bool
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
		if err != nil {
			return err
		}
		if len(all) < 300 {
			return fmt.Errorf("only %d columns were looked through", len(all))
		}
		for _, c := range all {
			where := fmt.Sprintf("position($1 in lower(%q::text)) > 0", c.Name)
			if c.Bytes {
				where = fmt.Sprintf("position(convert_to($1, 'UTF8') in %q) > 0", c.Name)
			}
			var n int
			if err := tx.QueryRow(o.Context(), fmt.Sprintf("select count(*) from %q where %s", c.Table, where), mark).Scan(&n); err != nil {
				return fmt.Errorf("%s.%s: %w", c.Table, c.Name, err)
			}
			if n > 0 {
				found[c.Table+"."+c.Name] = n
			}
		}
		return nil
	})
	if err != nil {
		o.Fatal(err)
	}
	return found
}

func (o *office) tables() (names []string) {
	o.Helper()
	err := o.db.AsSystem(o.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(o.Context(), "select relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relkind = 'r'")
		if err == nil {
			names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	})
	if err != nil {
		o.Fatal(err)
	}
	return names
}

// world is a person with all that can belong to one, and another who has nothing to do with it.
type world struct {
	customer, merged, other *crm.Customer
	contact                 *crm.Contact
	invoice                 *crm.Invoice
	signed                  *crm.Contract
	connection              uuid.UUID
}

func (o *office) fill() world {
	o.Helper()
	address := crm.Address{Street: mark + " Street 1", City: "Berlin", Country: "DE"}
	w := world{
		customer: &crm.Customer{
			Name: mark + " Muster", Type: "person", Phone: "+49 30 7713", Email: mark + "@example.com", Website: "https://" + mark + ".example", Remark: "remark " + mark,
			Tags: []string{mark}, Addresses: []crm.CustomerAddress{{Kind: "bill", Address: address}},
			InvoiceProfiles: []crm.InvoiceProfile{{Title: mark + " Muster", BankAccount: "DE89" + mark}}, Ext: crm.Ext(`{"birthday":"` + mark + `"}`),
		},
		merged: &crm.Customer{Name: mark + " Mustermann", Email: mark + "2@example.com"},
		other:  &crm.Customer{Name: "Somebody Else", Email: "else@example.com"},
	}
	o.save(w.customer, w.merged, w.other)
	w.contact = &crm.Contact{Name: mark + " Contact", Mobile: "+49 170 7713", Email: mark + "3@example.com", Customers: []crm.ContactCustomer{{CustomerID: w.customer.ID, IsActive: true}}}
	o.save(w.contact)
	day := crm.DateOf(time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC))
	money := decimal.NewFromInt(100)
	pipeline := &crm.Pipeline{Name: "Sales", IsActive: true, IsDefault: true, Stages: []crm.PipelineStage{
		{Code: "open", Name: "Open", Kind: "open", Probability: 10}, {Code: "won", Name: "Won", Kind: "won", Probability: 100}, {Code: "lost", Name: "Lost", Kind: "lost"},
	}}
	campaign := &crm.Campaign{Name: "Spring", Type: "email", Status: "planning"}
	o.save(pipeline, campaign)
	w.invoice = &crm.Invoice{
		Number: "INV-1", Type: "invoice", CustomerID: w.customer.ID, IssueDate: &day, Currency: "EUR", Untaxed: money, Total: money, Residual: money, Status: "issued",
		Remark: "remark " + mark, Lines: []crm.InvoiceLine{{Description: "Work", Qty: decimal.NewFromInt(1), Price: money, Untaxed: money}},
	}
	w.signed = &crm.Contract{Name: "Contract with " + mark, CustomerID: w.customer.ID, Currency: "EUR", Status: "signed", StartDate: &day, Signers: []crm.ContractSigner{{Party: "customer", Name: mark + " Muster", SignedOn: &day}}}
	ticket := &crm.Ticket{Subject: "Ticket " + mark, Description: mark, CustomerID: w.customer.ID, Type: "question", Priority: "normal", Status: "new"}
	o.save(w.invoice, w.signed, ticket,
		&crm.Opportunity{Name: "Deal with " + mark, CustomerID: w.customer.ID, Currency: "EUR", NextStep: "ring " + mark},
		&crm.Order{CustomerID: w.customer.ID, ContactID: &w.contact.ID, Date: day, Currency: "EUR", Remark: mark, BillAddress: &address, Lines: []crm.OrderLine{{Description: "Work", Qty: decimal.NewFromInt(1), Price: money}}},
		&crm.Payment{CustomerID: w.customer.ID, Date: day, Currency: "EUR", Amount: money, Status: "draft", Remark: mark},
		&crm.Contract{Name: "Draft for " + mark, CustomerID: w.customer.ID, Currency: "EUR", Status: "draft"},
		&crm.Feedback{CustomerID: w.customer.ID, Text: mark, At: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)},
		&crm.Activity{Type: "call", Subject: "Called " + mark, Content: mark, CustomerID: w.customer.ID, ContactID: &w.contact.ID, At: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)},
		&crm.Task{Subject: "Ring " + mark, Status: "not_started", Priority: "normal", CustomerID: &w.customer.ID},
		&crm.CampaignMember{CampaignID: campaign.ID, ContactID: &w.contact.ID, Status: "responded", Response: mark},
	)
	o.as(func(ctx context.Context, tx pgx.Tx) error { // the activity moved its last contact
		now, err := o.store.Get(ctx, tx, crm.KindCustomer, []uuid.UUID{w.customer.ID})
		w.customer, _ = now[w.customer.ID].(*crm.Customer)
		return err
	})
	w.customer.Phone = "+49 30 7714"
	o.save(w.customer)
	o.fillAround(&w)
	return w
}

// fillAround fills what keeps copies: through the packages that write them, and where that takes another system or a file, by
// the rows that they would write.
func (o *office) fillAround(w *world) {
	o.Helper()
	w.connection = uuid.New()
	doc, err := json.Marshal(w.customer)
	if err != nil {
		o.Fatal(err)
	}
	run := uuid.New()
	o.as(func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `insert into connections (id, code, name, connector) values ($1, 'erp', 'ERP', 'simulator')`, w.connection); err != nil {
			return err
		}
		m, err := duplicate.Do(ctx, tx, o.store, o.by(), duplicate.Request{
			Kind: crm.KindCustomer, Survivor: duplicate.Side{ID: w.customer.ID}, Loser: duplicate.Side{ID: w.merged.ID},
		})
		if err != nil || m.LoserID != w.merged.ID {
			return errors.Join(err, errors.New("merged another"))
		}
		return nil
	})
	o.as(func(ctx context.Context, tx pgx.Tx) error {
		received, err := attachment.Receive(strings.NewReader("a letter of " + mark))
		if err != nil {
			return err
		}
		defer received.Close()
		if _, err := attachment.Add(ctx, tx, attachment.Owner{Entity: "customer", ID: w.customer.ID}, mark+".txt", received); err != nil {
			return err
		}
		err = link.AcknowledgePulled(ctx, tx, w.connection, "customer", []link.Pulled{{EntityID: w.customer.ID, RemoteID: "1001", Version: 1, Snapshot: doc}})
		if err != nil {
			return err
		}
		err = job.Bury(ctx, tx, []job.DeadLetter{
			{ConnectionID: w.connection, Direction: job.Pull, Entity: "customer", RemoteID: "1001", Stage: job.StageSchema, Class: "schema", Message: "bad " + mark, Payload: doc},
			{ConnectionID: w.connection, Direction: job.Pull, Entity: "customer", RemoteID: "1002", Stage: job.StageSchema, Class: "schema", Message: "bad", Payload: doc},
			{
				ConnectionID: w.connection, Direction: job.Pull, Entity: "invoice", RemoteID: "7", Stage: job.StageSchema, Class: "schema", Message: "bad",
				Payload: json.RawMessage(`{"party":"` + w.customer.Name + `","total":"1"}`),
			},
		})
		if err != nil {
			return err
		}
		var b pgx.Batch
		err = journey.Queue(&b, []journey.Event{{
			Entity: "customer", EntityID: w.customer.ID, Connection: w.connection, Direction: journey.Pull, Version: 1, Outcome: "created", RemoteID: "1001",
			Exchanges: []journey.Exchange{{Purpose: "read", Response: string(doc)}},
		}})
		if err != nil {
			return err
		}
		return tx.SendBatch(ctx, &b).Close()
	})
	jobID, reconciliation, imported, exported := uuid.New(), uuid.New(), uuid.New(), uuid.New()
	for _, s := range []struct {
		sql  string
		args []any
	}{
		{`insert into jobs (id, connection_id, name, kind, entity) values ($1, $2, 'pull', 'pull', 'customer')`, []any{jobID, w.connection}},
		{`insert into runs (id, job_id, cause, status) values ($1, $2, 'manual', 'failed')`, []any{run, jobID}},
		{`insert into run_lines (run_id, level, message) values ($1, 'warn', $2)`, []any{run, "skipped " + w.customer.Name}},
		{
			`insert into conflicts (id, connection_id, entity, entity_id, field, base, ours, theirs, record) values (gen_random_uuid(), $1, 'customer', $2, 'name', to_jsonb($3::text), to_jsonb($3::text), to_jsonb($3::text), to_jsonb($3::text))`,
			[]any{w.connection, w.customer.ID, mark},
		},
		{`insert into reconciliations (id, connection_id, run_id, entity, mapping_version) values ($1, $2, $3, 'customer', 'x')`, []any{reconciliation, w.connection, run}},
		{
			`insert into differences (id, reconciliation_id, kind, entity_id, remote_id, title, ours, theirs, record) values (gen_random_uuid(), $1, 'different', $2, '1001', $3, to_jsonb($3::text), to_jsonb($3::text), to_jsonb($3::text))`,
			[]any{reconciliation, w.customer.ID, mark},
		},
		{`insert into differences (id, reconciliation_id, kind, remote_id, record) values (gen_random_uuid(), $1, 'missing_here', '1002', $2)`, []any{reconciliation, doc}},
		{`insert into matchings (id, connection_id, run_id, entity, status) values ($1, $2, $1, 'customer', 'finished')`, []any{run, w.connection}},
		{
			`insert into proposals (id, matching_id, connection_id, entity, remote_id, title, theirs, record, class, state, entity_id)
			select gen_random_uuid(), $1, $2, 'customer', n, $3, $4, $4, 'certain', s, e from (values ('1001', 'linked', $5::uuid), ('1003', 'open', null)) v (n, s, e)`,
			[]any{run, w.connection, w.customer.Name, doc, w.customer.ID},
		},
		{
			`insert into invoice_inbox (id, name, size, sha256, data, status, buyer, customer_id)
			select gen_random_uuid(), $1, 1, n, $2, 'review', $3, c from (values ('a', $4::uuid), ('b', null)) v (n, c)`,
			[]any{mark + ".xml", []byte("<Name>" + w.customer.Name + "</Name>"), doc, w.customer.ID},
		},
		{`insert into subscriptions (id, name, target, events) values ($1, 'x', 'x', '{*}')`, []any{run}},
		{`insert into deliveries (id, subscription_id, event_id, event, summary, body) values (gen_random_uuid(), $1, $1, 'customer.updated', 'x', $2)`, []any{run, string(doc)}},
		{`insert into deliveries (id, subscription_id, event_id, event, summary, body, status) values (gen_random_uuid(), $1, $2, 'customer.updated', 'x', $3, 'delivered')`, []any{run, jobID, string(doc)}},
		{`insert into alerts (kind, subject, name, detail) values ('dead_letters', 'x', $1, jsonb_build_object('example', $1::text))`, []any{w.customer.Name}},
		{`insert into idempotency_keys (key, request_digest, status, etag, location, body) values ('k', '', 201, '', '', $1)`, []any{doc}},
		{`insert into imports (id, entity, name, status, preview) values ($1, 'customer', $2, 'done', $3)`, []any{imported, w.customer.Name + ".csv", doc}},
		{`insert into import_chunks (import_id, seq, data) values ($1, 0, $2)`, []any{imported, []byte("name,email\n" + w.customer.Name + "," + w.customer.Email)}},
		{`insert into import_rows (import_id, key, row, cells) values ($1, 'k', 1, $2)`, []any{imported, []byte(w.customer.Email)}},
		{`insert into import_effects (import_id, entity_id, row, version, before) values ($1, $2, 1, 2, $3)`, []any{imported, w.customer.ID, doc}},
		{`insert into import_refusals (import_id, row, cells, violations) values ($1, 2, jsonb_build_array($2::text, $3::text), '[]')`, []any{imported, w.customer.Email, "remark " + mark}},
		{`insert into exports (id, entity, query, columns, format, status) values ($1, 'customer', '{}', '{}', 'csv', 'done')`, []any{exported}},
		{`insert into export_chunks (export_id, seq, data) values ($1, 0, $2)`, []any{exported, doc}},
		{`insert into campaign_events (campaign_id, id, member_id, at, by, type, detail) select campaign_id, gen_random_uuid(), id, now(), 'system', 'x', $1 from campaign_members`, []any{mark}},
		{`insert into pool_log (id, customer_id, at, event, reason) values (gen_random_uuid(), $1, now(), 'released', $2)`, []any{w.customer.ID, mark}},
		{`insert into webhook_messages (id, connection_id, message_id, size, said) values (gen_random_uuid(), $1, 'm', 1, $2)`, []any{w.connection, w.customer.Email}},
	} {
		o.sql(s.sql, s.args...)
	}
}

func TestErasureLeavesNothingAnywhere(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	w := o.fill()
	o.seal()
	held := map[string]bool{}
	for column := range o.found() {
		table, _, _ := strings.Cut(column, ".")
		held[table] = true
	}
	for _, table := range o.tables() {
		if !held[table] && !slices.Contains(holdsNothing, table) {
			t.Errorf("%s holds nothing of the person here: let the test fill it, or say that it never does", table)
		}
	}
	before := o.found()

	eraser := privacy.Eraser{Entities: o.store}
	request := privacy.Request{Kind: crm.KindCustomer, ID: w.customer.ID, Reason: "Letter 17/2026"}
	var preview, done privacy.Erasure
	o.as(func(ctx context.Context, tx pgx.Tx) (err error) {
		preview, err = eraser.Preview(ctx, tx, o.by(), request)
		return err
	})
	if now := o.found(); !maps.Equal(before, now) {
		t.Errorf("the preview changed something: %v, was %v", now, before)
	}
	o.as(func(ctx context.Context, tx pgx.Tx) (err error) {
		done, err = eraser.Erase(ctx, tx, o.by(), request)
		return err
	})
	if !maps.Equal(preview.Erased, done.Erased) || !maps.Equal(preview.Kept, done.Kept) {
		t.Errorf("the preview said %v and %v, erased were %v and %v", preview.Erased, preview.Kept, done.Erased, done.Kept)
	}
	if done.Erased["customer"] != 2 || done.Erased["contact"] != 1 || done.Kept["invoice"] != 1 || done.Kept["contract"] != 1 {
		t.Errorf("erased %v, kept %v", done.Erased, done.Kept)
	}
	for what := range done.Erased {
		if !slices.Contains(privacy.Counted(), what) {
			t.Errorf("%s is counted and not named", what)
		}
	}
	for column, n := range o.found() {
		if stays[column] == "" {
			t.Errorf("%s still holds the data, %d times", column, n)
		}
	}
	o.seal()
	for column, n := range o.found() {
		if stays[column] == "" {
			t.Errorf("once sealed, %s holds the data again, %d times", column, n)
		}
	}
	o.verified(done.Erased["audit"])
	o.documentsStay(w)
	o.told(w, done)
}

// verified sees to it that the trail is whole, and says what is erased.
func (o *office) verified(erased int64) {
	o.Helper()
	o.as(func(ctx context.Context, tx pgx.Tx) error {
		r, err := audit.Verify(ctx, tx, o.key, o.who.Organization, audit.Range{})
		if err == nil && (!r.Intact || r.Erased != erased || erased == 0) {
			o.Errorf("the trail: %+v, fault %+v; want %d erased", r, r.Fault, erased)
		}
		return err
	})
}

func (o *office) documentsStay(w world) {
	o.Helper()
	o.as(func(ctx context.Context, tx pgx.Tx) error {
		found, err := o.store.Get(ctx, tx, crm.KindCustomer, []uuid.UUID{w.customer.ID, w.other.ID})
		if err != nil {
			return err
		}
		c, _ := found[w.customer.ID].(*crm.Customer)
		if c.Name != crm.Pseudonym(c.ID) || c.Code != w.customer.Code || c.Email != "" || len(c.Addresses) > 0 {
			o.Errorf("the customer is %+v", c)
		}
		if other, _ := found[w.other.ID].(*crm.Customer); other.Name != w.other.Name || other.Version != w.other.Version {
			o.Errorf("the other customer is %+v", other)
		}
		if err := privacy.Party(ctx, tx, c); err != nil {
			return err
		}
		if c.Name != w.customer.Name || len(c.Addresses) != 1 || c.Addresses[0].Street != w.customer.Addresses[0].Street {
			o.Errorf("the invoice would be to %+v", c)
		}
		p, err := journey.Read(ctx, tx, func(string, string) string { return "" }, journey.Filter{Entity: "customer", EntityID: w.customer.ID})
		for _, s := range p.Items {
			if len(s.Exchanges) > 0 {
				o.Errorf("the journey still has %+v", s.Exchanges)
			}
		}
		return err
	})
}

// told follows the erasure to a connection that is written to by hand, and to one that the hub writes to.
func (o *office) told(w world, done privacy.Erasure) {
	o.Helper()
	state := func() (s privacy.Telling) {
		o.as(func(ctx context.Context, tx pgx.Tx) error {
			told, err := privacy.ToldOf(ctx, tx, done.ID)
			if err == nil && len(told) != 1 {
				o.Fatalf("told are %+v", told)
			}
			s = told[0].State
			return err
		})
		return s
	}
	for _, step := range []struct {
		sql  string
		want privacy.Telling
	}{
		{`select`, privacy.ByHand},
		{`insert into jobs (id, connection_id, name, kind, entity) select gen_random_uuid(), id, 'push', 'push', 'customer' from connections`, privacy.Pending},
		{`update links set state = 'failed'`, privacy.Failed},
		{`update links set state = 'linked', synced_version = 99`, privacy.Delivered},
	} {
		o.sql(step.sql)
		if got := state(); got != step.want {
			o.Errorf("after %s: %s, want %s", step.sql, got, step.want)
		}
	}
}

func TestErasureRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	w := o.fill()
	erase := func(r privacy.Request) error {
		return o.db.As(t.Context(), o.who, func(tx pgx.Tx) error {
			_, err := (&privacy.Eraser{Entities: o.store}).Erase(t.Context(), tx, o.by(), r)
			return err
		})
	}
	var merged *privacy.MergedError
	if err := erase(privacy.Request{Kind: crm.KindCustomer, ID: w.merged.ID, Reason: "x"}); !errors.As(err, &merged) || merged.Into != w.customer.ID {
		t.Errorf("of what was merged into another: %v", err)
	}
	if err := erase(privacy.Request{Kind: crm.KindCustomer, ID: uuid.New(), Reason: "x"}); !errors.Is(err, crm.ErrNotFound) {
		t.Errorf("of nobody: %v", err)
	}
	if err := erase(privacy.Request{Kind: crm.KindCustomer, ID: w.other.ID, Reason: " "}); err == nil {
		t.Error("without a reason it went")
	}
	o.sql(`insert into imports (id, entity, name, status) values (gen_random_uuid(), 'customer', 'x', 'running')`)
	if err := erase(privacy.Request{Kind: crm.KindCustomer, ID: w.other.ID, Reason: "x"}); !errors.Is(err, privacy.ErrBusy) {
		t.Errorf("while an import runs: %v", err)
	}
}
