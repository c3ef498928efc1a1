// Package attachment keeps the files that belong to entities: a signed contract, a photograph of what is broken.
//
// [Receive] takes a file in, [Add] stores it with an entity, [List] and [Get] tell of files, [File.Write] gives one out,
// [Delete] and [Move] do as they say. Promises: a file is stored whole or not at all, is given out byte by byte as it came
// in, and is reached by whoever reaches what it belongs to (migration 0013_attachment); each addition and deletion is in the
// trail of that entity. It leaves to others whether an entity is there and what its kinds are (crm), and who may (api).
package attachment

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
)

// File is what is known of a file, but for its bytes.
type File struct {
	ID        uuid.UUID `json:"id"`
	Entity    string    `json:"entity" doc:"The kind of what it belongs to."`
	EntityID  uuid.UUID `json:"entity_id" doc:"What it belongs to."`
	Name      string    `json:"name" doc:"As whoever uploaded it called it."`
	MediaType string    `json:"media_type" doc:"As its first bytes tell, whatever was said of it; application/octet-stream if they do not, or if a browser would run it." example:"application/pdf"`
	Size      int64     `json:"size" doc:"Bytes."`
	SHA256    string    `json:"sha256" doc:"Of its bytes, in hexadecimal."`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
}

// ErrNotFound says that there is no such file here.
var ErrNotFound = postgres.NotFound("no such attachment")

// Owner is what a file belongs to.
type Owner struct {
	Entity string // kind
	ID     uuid.UUID
}

const columns = "id, entity, entity_id, name, media_type, size, sha256, created_at, created_by"

const insertFile = `
insert into attachments (id, entity, entity_id, name, media_type, size, sha256) values ($1, $2, $3, $4, $5, $6, $7)
returning created_at, created_by`

// Add stores a received file with an entity.
func Add(ctx context.Context, tx pgx.Tx, to Owner, name string, r *Received) (File, error) {
	f := File{Entity: to.Entity, EntityID: to.ID, Name: name, MediaType: r.MediaType, Size: r.Size, SHA256: r.SHA256}
	var err error
	if f.ID, err = uuid.NewV7(); err != nil {
		return f, fmt.Errorf("attach a file: %w", err)
	}
	err = tx.QueryRow(ctx, insertFile, f.ID, f.Entity, f.EntityID, f.Name, f.MediaType, f.Size, f.SHA256).Scan(&f.CreatedAt, &f.CreatedBy)
	if err == nil {
		err = r.store(ctx, tx, f.ID)
	}
	if err == nil {
		err = f.record(ctx, tx, "attached", [2]any{nil, f.audited()})
	}
	if err != nil {
		return f, fmt.Errorf("attach a file to %s %s: %w", f.Entity, f.EntityID, err)
	}
	return f, nil
}

// List returns files of an entity, the newest first, from before (not included; the nil UUID to begin with) on.
func List(ctx context.Context, tx pgx.Tx, of Owner, before uuid.UUID, limit int) ([]File, error) {
	rows, err := tx.Query(ctx, "select "+columns+" from attachments where entity = $1 and entity_id = $2"+
		" and ($3 = '00000000-0000-0000-0000-000000000000'::uuid or id < $3) order by id desc limit $4", of.Entity, of.ID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list files of %s %s: %w", of.Entity, of.ID, err)
	}
	files, err := pgx.CollectRows(rows, pgx.RowToStructByPos[File])
	if err != nil {
		return nil, fmt.Errorf("list files of %s %s: %w", of.Entity, of.ID, err)
	}
	return files, nil
}

// Get returns a file, or [ErrNotFound].
func Get(ctx context.Context, tx pgx.Tx, id uuid.UUID) (File, error) {
	return postgres.One(ctx, tx, "read a file", pgx.RowToStructByPos[File], ErrNotFound, "select "+columns+" from attachments where id = $1", id)
}

// Delete removes a file for good, or returns [ErrNotFound].
func Delete(ctx context.Context, tx pgx.Tx, f File) error {
	tag, err := tx.Exec(ctx, "delete from attachments where id = $1", f.ID)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrNotFound
	}
	if err == nil {
		err = f.record(ctx, tx, "detached", [2]any{f.audited(), nil})
	}
	if err != nil {
		return fmt.Errorf("delete file %s: %w", f.ID, err)
	}
	return nil
}

// Move makes files of one entity those of another of its kind: these, or all for nil. It returns which it moved.
func Move(ctx context.Context, tx pgx.Tx, from Owner, to uuid.UUID, which []uuid.UUID) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, "update attachments set entity_id = $3 where entity = $1 and entity_id = $2 and ($4::uuid[] is null or id = any($4)) returning id",
		from.Entity, from.ID, to, which)
	if err != nil {
		return nil, fmt.Errorf("move files of %s %s: %w", from.Entity, from.ID, err)
	}
	moved, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("move files of %s %s: %w", from.Entity, from.ID, err)
	}
	return moved, nil
}

// record notes what became of the entity's files, in the form of a changed field.
func (f File) record(ctx context.Context, tx pgx.Tx, action string, change [2]any) error {
	return audit.Record(ctx, tx, audit.Act{Action: action, Entity: f.Entity, EntityID: f.EntityID, Detail: map[string]any{"attachments": change}})
}

func (f File) audited() map[string]any {
	return map[string]any{"id": f.ID, "name": f.Name, "media_type": f.MediaType, "size": f.Size, "sha256": f.SHA256}
}
