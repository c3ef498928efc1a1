package drift

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Finding is a change of shape that holds, or held.
type Finding struct {
	ID             uuid.UUID  `json:"id"`
	ConnectionID   uuid.UUID  `json:"connection_id"`
	Entity         string     `json:"entity"`
	Record         string     `json:"record" doc:"The kind of record, as its system calls it."`
	Kind           Kind       `json:"kind" enum:"new_field,missing_field,new_type,new_code,longer_text,more_decimals"`
	Pointer        string     `json:"pointer" doc:"The place in the record: a JSON pointer, with * for the elements of a list."`
	Rule           string     `json:"rule,omitempty" doc:"The rule of the mapping that reads the place, as file and line."`
	Serious        bool       `json:"serious" doc:"The mapping reads the place, or refuses such records."`
	Detail         Detail     `json:"detail"`
	Message        string     `json:"message" doc:"All that in a sentence."`
	Count          int64      `json:"count" doc:"How often it came, at least."`
	Of             int64      `json:"of" doc:"How often it could have come since it first did."`
	RunID          uuid.UUID  `json:"run_id" doc:"The run that saw it first."`
	OpenedAt       time.Time  `json:"opened_at"`
	SeenAt         time.Time  `json:"seen_at" doc:"When it was seen last."`
	ResolvedAt     *time.Time `json:"resolved_at,omitempty"`
	AcknowledgedAt *time.Time `json:"acknowledged_at,omitempty"`
	AcknowledgedBy string     `json:"acknowledged_by,omitempty"`
	Note           string     `json:"note,omitempty" doc:"What who acknowledged it said."`
}

// sentence tells the finding to people.
func (f Finding) sentence() string {
	s := f.what()
	if f.Detail.Schema {
		s += ", against the schema of " + f.Record
	}
	if file, line, ok := strings.Cut(f.Rule, ":"); ok {
		return "the mapping " + file + " reads " + f.place() + " (line " + line + "), " + s
	}
	return f.place() + ", which no mapping reads, " + strings.TrimPrefix(s, "which ")
}

func (f Finding) place() string {
	if f.Pointer == "" {
		return "the record"
	}
	return f.Pointer
}

func (f Finding) what() string {
	since := f.OpenedAt.UTC().Format("2006-01-02 15:04") + " UTC"
	often := " (" + strconv.FormatInt(f.Count, 10) + " of " + strconv.FormatInt(f.Of, 10) + ")"
	switch f.Kind {
	case NewField:
		return "which first came " + since + often
	case MissingField:
		if f.Count == f.Of {
			return "which has not come since " + since + often
		}
		return "which does not always come since " + since + often
	case NewType:
		return "which is " + strings.Join(f.Detail.Types, " or ") + " since " + since + " and was " + strings.Join(f.Detail.Before, " or ") + often
	case NewCode:
		return "which has a code since " + since + " that it never had"
	case LongerText:
		return fmt.Sprintf("which is up to %d characters long since %s and had at most %d", f.Detail.Most, since, f.Detail.Limit)
	case MoreDecimals:
		return fmt.Sprintf("which has up to %d decimals since %s and had at most %d", f.Detail.Most, since, f.Detail.Limit)
	}
	return "which is " + string(f.Kind) + " since " + since
}

// The errors that callers branch on.
var (
	ErrNotFound = postgres.NotFound("the finding does not exist")
)

const (
	columns = `id, connection_id, entity, record, kind, pointer, coalesce(rule, ''), detail, count, of, run_id, opened_at, seen_at, resolved_at,
	acknowledged_at, coalesce(acknowledged_by, ''), coalesce(note, '')`
	selectFinding = `select ` + columns + ` from drift_findings`
)

func scan(row pgx.CollectableRow) (f Finding, err error) {
	err = row.Scan(f.fields()...)
	f.Serious = f.Rule != "" || f.Detail.Schema
	f.Message = f.sentence()
	return f, err
}

func (f *Finding) fields() []any {
	return []any{
		&f.ID, &f.ConnectionID, &f.Entity, &f.Record, &f.Kind, &f.Pointer, &f.Rule, &f.Detail, &f.Count, &f.Of, &f.RunID, &f.OpenedAt, &f.SeenAt,
		&f.ResolvedAt, &f.AcknowledgedAt, &f.AcknowledgedBy, &f.Note,
	}
}

func one(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Finding, error) {
	return postgres.One(ctx, tx, "read or write a finding", scan, ErrNotFound, sql, args...)
}

// Get returns a finding, or ErrNotFound.
func Get(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Finding, error) {
	return one(ctx, tx, selectFinding+` where id = $1`, id)
}

// Filter chooses findings of a connection.
type Filter struct {
	Connection uuid.UUID
	Status     string // "open", "resolved" or "": all
	After      string // Next of the page before
	Limit      int
}

const selectList = selectFinding + `
where connection_id = $1 and ($2 = '' or ($2 = 'open') = (resolved_at is null)) and ($3::timestamptz is null or (opened_at, id) < ($3, $4::uuid))
order by opened_at desc, id desc
limit $5`

// List returns findings, the one opened last first. Errors: [postgres.ErrPlace].
func List(ctx context.Context, tx pgx.Tx, f Filter) (p postgres.Page[Finding], err error) {
	after, err := postgres.ParsePlace(f.After)
	if err != nil {
		return p, err
	}
	before, _, id := after.Args()
	return postgres.List(ctx, tx, "list findings", scan, f.Limit,
		func(one Finding) string { return postgres.Place{At: one.OpenedAt, ID: one.ID}.String() }, selectList, f.Connection, f.Status, before, id)
}

const acknowledge = `
update drift_findings set acknowledged_at = coalesce(acknowledged_at, now()), acknowledged_by = coalesce(acknowledged_by, crmhub_actor()),
	note = coalesce(nullif($2, ''), note)
where id = $1
returning ` + columns

// maxNote is how long a note may be, in characters.
const maxNote = 1000

// Acknowledge says that somebody knows: no alert is raised for it any more. It stays until it comes no more. note may be "".
// Errors: [ErrNotFound], [schema.Violations].
func Acknowledge(ctx context.Context, tx pgx.Tx, id uuid.UUID, note string) (Finding, error) {
	if len([]rune(note)) > maxNote {
		return Finding{}, schema.Violations{{Pointer: "/note", Rule: "maxLength", Message: "must have at most " + strconv.Itoa(maxNote) + " characters"}}
	}
	f, err := one(ctx, tx, acknowledge, id, note)
	if err != nil {
		return Finding{}, err
	}
	return f, audit.Record(ctx, tx, audit.Act{Action: "acknowledged", Entity: "drift", EntityID: id, Detail: map[string]any{
		"connection_id": f.ConnectionID, "kind": f.Kind, "pointer": f.Pointer,
	}})
}
