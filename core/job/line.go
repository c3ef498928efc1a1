package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/schema"
)

// Level says how much a line of a run's log matters.
type Level string

// The levels.
const (
	Info  Level = "info"
	Warn  Level = "warn" // something went wrong and the run went on
	Error Level = "error"
)

// MostLines is how many lines a run's work may log; when it begins and ends is told beside them.
const MostLines = 1000

// Line is a line of a run's log, for people who may see dead letters.
type Line struct {
	Seq      int64      `json:"seq"`
	At       time.Time  `json:"at"`
	Level    Level      `json:"level"`
	Message  string     `json:"message"`
	EntityID *uuid.UUID `json:"entity_id,omitempty"` // what the line is about
	RemoteID string     `json:"remote_id,omitempty"`

	Said *schema.Saying `json:"said,omitempty"` // the message, where it is the hub's
}

const addLines = `
with room as (
	select $2 - count(*) as n from run_lines where run_id = $1
), given as (
	select * from unnest($3::text[], $4::text[], $5::uuid[], $6::text[], $8::jsonb[]) with ordinality as g (level, message, entity_id, remote_id, said, place)
)
insert into run_lines (run_id, level, message, entity_id, remote_id, said)
select $1, level, message, entity_id, nullif(remote_id, ''), said
from (
	select level, message, entity_id, remote_id, said, place from given, room where place <= room.n
	union all
	select 'warn', $7, null, null, $9, room.n + 1 from room where room.n >= 0 and (select count(*) from given) > room.n
) as lines
order by place`

// Log adds lines to a run's log, in the caller's transaction. What goes beyond [MostLines] is left out, which the last
// line says.
func Log(ctx context.Context, tx pgx.Tx, run uuid.UUID, lines ...Line) error {
	if len(lines) == 0 {
		return nil
	}
	levels, messages, remotes := make([]string, len(lines)), make([]string, len(lines)), make([]string, len(lines))
	entities, said := make([]*uuid.UUID, len(lines)), make([]*schema.Saying, len(lines))
	for i, l := range lines {
		levels[i], messages[i], entities[i], remotes[i], said[i] = string(l.Level), l.Message, l.EntityID, l.RemoteID, l.Said
	}
	_, err := tx.Exec(ctx, addLines, run, MostLines, levels, messages, entities, remotes,
		"More lines are left out. The dead letters have the cause of every record that failed.", said, schema.Say("more_lines"))
	if err != nil {
		return fmt.Errorf("log to run %s: %w", run, err)
	}
	return nil
}

const addSystemLine = `insert into run_lines (organization_id, run_id, level, message, said) values ($1, $2, $3, $4, $5)`

// systemLine tells of a run's life. The transaction is the system's.
func systemLine(ctx context.Context, tx pgx.Tx, t Task, level Level, message string, said *schema.Saying) error {
	if _, err := tx.Exec(ctx, addSystemLine, t.Job.Organization, t.ID, level, message, said); err != nil {
		return fmt.Errorf("log to run %s: %w", t.ID, err)
	}
	return nil
}

const selectLines = `
select seq, at, level, message, entity_id, coalesce(remote_id, ''), said
from run_lines
where run_id = $1 and seq > $2 and ($3 = '' or level = $3)
order by seq
limit $4`

// Lines returns a run's log in order, from after a line's number on, of one level or of all with "".
func Lines(ctx context.Context, tx pgx.Tx, run uuid.UUID, after int64, level Level, limit int) ([]Line, error) {
	rows, _ := tx.Query(ctx, selectLines, run, after, level, limit)
	lines, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Line])
	if err != nil {
		return nil, fmt.Errorf("read the log of run %s: %w", run, err)
	}
	return lines, nil
}

const lastLine = `
select seq, at, level, message, entity_id, coalesce(remote_id, ''), said
from run_lines
where run_id = $1
order by seq desc
limit 1`

// LastLine returns the newest line of a run's log, the zero Line if there is none.
func LastLine(ctx context.Context, tx pgx.Tx, run uuid.UUID) (Line, error) {
	rows, _ := tx.Query(ctx, lastLine, run)
	l, err := pgx.CollectOneRow(rows, pgx.RowToStructByPos[Line])
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return l, fmt.Errorf("read the last line of run %s: %w", run, err)
	}
	return l, nil
}
