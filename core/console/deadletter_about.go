package console

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/link"
	"crmhub/core/mapping"
)

// What a dead letter is about, for people: a push knows the entity, a pull the record, and the link of either the other one.

// linkLetters completes what letters are about by the links there are.
func linkLetters(ctx context.Context, tx pgx.Tx, letters []deadLetterRow) error {
	ours, theirs := map[uuid.UUID][]mapping.Ref{}, map[uuid.UUID][]mapping.Ref{} // by connection
	for _, d := range letters {
		switch {
		case d.EntityID != nil && d.RemoteID == "":
			ours[d.ConnectionID] = append(ours[d.ConnectionID], mapping.Ref{Entity: d.Entity, ID: d.EntityID.String()})
		case d.EntityID == nil && d.RemoteID != "":
			theirs[d.ConnectionID] = append(theirs[d.ConnectionID], mapping.Ref{Entity: d.Entity, ID: d.RemoteID})
		}
	}
	byEntity, byRecord := map[uuid.UUID]map[mapping.Ref]link.Link{}, map[uuid.UUID]map[mapping.Ref]link.Link{}
	for connection, refs := range ours {
		found, err := link.ByEntity(ctx, tx, connection, refs)
		if err != nil {
			return err
		}
		byEntity[connection] = found
	}
	for connection, refs := range theirs {
		found, err := link.ByRemote(ctx, tx, connection, refs)
		if err != nil {
			return err
		}
		byRecord[connection] = found
	}
	for i := range letters {
		d := &letters[i]
		switch {
		case d.EntityID != nil && d.RemoteID == "":
			d.RemoteID = byEntity[d.ConnectionID][mapping.Ref{Entity: d.Entity, ID: d.EntityID.String()}].RemoteID
		case d.EntityID == nil && d.RemoteID != "":
			if l, ok := byRecord[d.ConnectionID][mapping.Ref{Entity: d.Entity, ID: d.RemoteID}]; ok {
				d.EntityID = &l.EntityID
			}
		}
	}
	return nil
}

// titledLetters are the letters with the titles that the visitor may see. The letters given stay as they are: others look at them, too.
func (v *visit) titledLetters(ctx context.Context, tx pgx.Tx, letters []deadLetterRow) ([]deadLetterRow, error) {
	letters = slices.Clone(letters)
	about := func(i int) (string, uuid.UUID) {
		if letters[i].EntityID == nil {
			return letters[i].Entity, uuid.Nil
		}
		return letters[i].Entity, *letters[i].EntityID
	}
	return letters, v.titled(ctx, tx, len(letters), about, func(i int, title, url string) { letters[i].Title, letters[i].URL = title, url })
}

// nameLetters is titledLetters in a transaction of its own, where there is something to be named.
func (v *visit) nameLetters(ctx context.Context, letters []deadLetterRow) ([]deadLetterRow, error) {
	if !slices.ContainsFunc(letters, func(d deadLetterRow) bool { return d.EntityID != nil }) {
		return letters, nil
	}
	return get(ctx, v, func(tx pgx.Tx) ([]deadLetterRow, error) { return v.titledLetters(ctx, tx, letters) })
}
