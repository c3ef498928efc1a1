package transfer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
	"crmhub/core/sheet"
)

// Status says where an import stands. Those in -ing are being worked on.
type Status string

// The statuses.
const (
	Uploading  Status = "uploading"
	Uploaded   Status = "uploaded" // sensed: look at form and columns
	Previewing Status = "previewing"
	Previewed  Status = "previewed" // dry run: counts and refusals say what would happen
	Running    Status = "running"
	Done       Status = "done"
	Cancelled  Status = "cancelled" // what was written stays: run goes on, undo takes it back
	Failed     Status = "failed"    // ended early, for the reason in Error; as cancelled
	Undoing    Status = "undoing"
	Undone     Status = "undone"
)

// Mode says which rows an import takes.
type Mode string

// The modes.
const (
	Create Mode = "create" // new ones; what is here already is a duplicate
	Update Mode = "update" // those of what is here already
	Both   Mode = "both"
)

// Import is a file that came in, how its rows become entities, and what became of them.
type Import struct {
	ID              uuid.UUID         `json:"id"`
	Entity          crm.Kind          `json:"entity"`
	Name            string            `json:"name" doc:"Of the file."`
	Size            int64             `json:"size" doc:"Bytes."`
	Lines           int64             `json:"lines" doc:"Of a CSV file: about its rows. 0 of an XLSX file."`
	SHA256          string            `json:"sha256,omitempty" doc:"Of the file."`
	Repeats         *uuid.UUID        `json:"repeats,omitempty" doc:"An earlier import of the same file and entity that was not undone."`
	Form            sheet.Form        `json:"form" doc:"How the file is a table, as sensed or as set."`
	Columns         []Column          `json:"columns" nullable:"false"`
	Defaults        map[string]string `json:"defaults" doc:"By field: the cell of every row that has none."`
	Mode            Mode              `json:"mode" enum:"create,update,both"`
	MatchBy         []string          `json:"match_by" nullable:"false" doc:"Natural keys, or id, by which a row finds the entity it updates; the first that finds one counts. None: every row is new."`
	GroupBy         string            `json:"group_by,omitempty" doc:"The field whose equal values make rows lines of one entity, such as number. Absent: each row is one."`
	Status          Status            `json:"status" enum:"uploading,uploaded,previewing,previewed,running,done,cancelled,failed,undoing,undone"`
	CancelRequested bool              `json:"cancel_requested"`
	Counts
	Preview    []Outcome  `json:"preview,omitempty" doc:"What the first rows come to."`
	Error      string     `json:"error,omitempty" doc:"Why it failed."`
	CreatedAt  time.Time  `json:"created_at"`
	CreatedBy  string     `json:"created_by"`
	StartedAt  *time.Time `json:"started_at,omitempty"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`

	Said *schema.Saying `json:"-"` // why it failed, where that is the hub's
}

// Counts is what an import came to so far; after a preview, what it would come to.
type Counts struct {
	Rows      int64 `json:"rows" doc:"Read so far."`
	Created   int64 `json:"created" doc:"Entities."`
	Updated   int64 `json:"updated" doc:"Entities."`
	Unchanged int64 `json:"unchanged" doc:"Entities that were so already."`
	Duplicate int64 `json:"duplicate" doc:"Rows that are here already, or earlier in the file."`
	Refused   int64 `json:"refused" doc:"Rows with errors."`
	Undone    int64 `json:"undone" doc:"Entities deleted or restored."`
	Kept      int64 `json:"kept" doc:"Entities that undoing left alone, since they were changed meanwhile or may not be deleted."`
}

// Column is a column of the file.
type Column struct {
	Name    string   `json:"name" doc:"As the file has it; it may be empty."`
	Field   string   `json:"field" doc:"What its cells are: name, lines/qty, customer_id/code, ext/colour; empty: left out."`
	Samples []string `json:"samples" nullable:"false" doc:"Some of its cells."`
}

// Outcome is what a row comes to.
type Outcome struct {
	Row    int64             `json:"row" doc:"The line of a CSV file, the row of an XLSX sheet; from 1."`
	Result string            `json:"result" enum:"create,update,unchanged,duplicate,error"`
	Cells  []string          `json:"cells" nullable:"false"`
	Faults schema.Violations `json:"faults,omitempty" doc:"With an error: field, rule and message of each."`
}

// Change is what may be set on an import before it runs; nil fields stay.
type Change struct {
	Encoding  *string            `json:"encoding,omitempty" enum:"utf-8,utf-16le,utf-16be,gb18030,windows-1252"`
	Delimiter *string            `json:"delimiter,omitempty" maxLength:"1"`
	Decimal   *string            `json:"decimal_mark,omitempty" doc:"point or comma; empty: each number has to tell by itself." maxLength:"5"`
	Header    *bool              `json:"header,omitempty"`
	Fields    *[]string          `json:"fields,omitempty" doc:"The field of each column, in their order; empty: left out." maxItems:"1000"`
	Defaults  *map[string]string `json:"defaults,omitempty"`
	Mode      *Mode              `json:"mode,omitempty" enum:"create,update,both"`
	MatchBy   *[]string          `json:"match_by,omitempty" maxItems:"5"`
	GroupBy   *string            `json:"group_by,omitempty"`
}

// The errors that callers branch on. What is wrong with an input is [schema.Violations].
var (
	ErrNotFound = postgres.NotFound("no such import or export")
	ErrStatus   = errors.New("not in this status")
	errLost     = errors.New("the task is another worker's")
	errCancel   = errors.New("cancelled")
)

// StatusError says that something cannot be done with an import or export as it stands.
type StatusError struct {
	Do     string
	Status Status
}

func (e *StatusError) Error() string { return fmt.Sprintf("cannot %s what is %s", e.Do, e.Status) }

// Unwrap makes the error an [ErrStatus].
func (e *StatusError) Unwrap() error { return ErrStatus }

// propose sets what follows from the columns: to match by the strongest natural key among them, and whether rows are lines.
// A weaker key could find another one's entity, and only a person knows whether that is meant.
func (i *Import) propose() {
	i.MatchBy, i.GroupBy = []string{}, ""
	fields := make([]string, len(i.Columns))
	lines := false
	for n, c := range i.Columns {
		fields[n] = c.Field
		lines = lines || strings.HasPrefix(c.Field, "lines/")
	}
	for _, key := range append([]string{"id"}, crm.Keys(i.Entity)...) {
		if slices.Contains(fields, key) && len(i.MatchBy) == 0 {
			i.MatchBy = []string{key}
		}
	}
	if lines && slices.Contains(fields, "number") {
		i.GroupBy = "number"
	}
}

// check returns everything wrong with how rows are to become entities.
func (i *Import) check() schema.Violations {
	vs := i.Form.Validate()
	fault := func(pointer, rule, message string) {
		vs = append(vs, schema.Violation{Pointer: pointer, Rule: rule, Message: message})
	}
	targets := targetsOf(i.Entity)
	given := make(map[string]bool)
	for n, c := range i.Columns {
		if c.Field == "" {
			continue
		}
		at := "/fields/" + strconv.Itoa(n)
		if _, ok := findTarget(targets, c.Field); !ok {
			fault(at, "field", "is no field that a cell of this entity can be")
		} else if given[c.Field] {
			fault(at, "unique", "is another column's field already")
		}
		given[c.Field] = true
	}
	for _, field := range slices.Sorted(maps.Keys(i.Defaults)) {
		if _, ok := findTarget(targets, field); !ok {
			fault("/defaults/"+schema.EscapePointer(field), "field", "is no field that a cell of this entity can be")
		}
		given[field] = true
	}
	if !slices.Contains([]Mode{Create, Update, Both}, i.Mode) {
		fault("/mode", "enum", "must be create, update or both")
	}
	for n, key := range i.MatchBy {
		if key != "id" && !slices.Contains(crm.Keys(i.Entity), key) {
			fault("/match_by/"+strconv.Itoa(n), "field", "must be a natural key, or id")
		} else if !given[key] {
			fault("/match_by/"+strconv.Itoa(n), "field", "must be the field of a column")
		}
	}
	if i.Mode == Update && len(i.MatchBy) == 0 {
		fault("/match_by", "required", "must say how rows find what they update")
	}
	if t, ok := findTarget(targets, i.GroupBy); i.GroupBy != "" && (!ok || t.list != "" || !given[i.GroupBy]) {
		fault("/group_by", "field", "must be the field of a column, and no field of a line")
	}
	return vs
}
