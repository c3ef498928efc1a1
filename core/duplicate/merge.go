package duplicate

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/attachment"
	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/schema"
)

// Mergeable are the kinds whose entities may become one: parties and things. Documents count on their own.
func Mergeable() []crm.Kind { return []crm.Kind{crm.KindCustomer, crm.KindContact, crm.KindProduct} }

// Side names an entity and the version of it that was seen.
type Side struct {
	ID      uuid.UUID
	Version int64 // 0 is any
}

// Request asks for two entities of a kind to become one.
type Request struct {
	Kind     crm.Kind
	Survivor Side
	Loser    Side
	// Take names the fields that get the loser's value. Others keep the survivor's, and get the loser's where it has
	// none; lists are united, and so are custom fields.
	Take []string
}

// Merge is what was done.
type Merge struct {
	ID          uuid.UUID   `json:"id"`
	Kind        crm.Kind    `json:"entity"`
	SurvivorID  uuid.UUID   `json:"survivor_id"`
	LoserID     uuid.UUID   `json:"loser_id"`
	References  []crm.Moved `json:"references" nullable:"false" doc:"What referred to the loser and refers to the survivor now."`
	Links       []LinkMoved `json:"links" nullable:"false" doc:"Records of other systems that are the survivor's now, or stay the loser's and are deleted there."`
	Attachments []uuid.UUID `json:"attachments" nullable:"false" doc:"Files that were the loser's and are the survivor's now."`
	MergedAt    time.Time   `json:"merged_at"`
	MergedBy    string      `json:"merged_by"`
	UnmergedAt  *time.Time  `json:"unmerged_at,omitempty"`
	UnmergedBy  string      `json:"unmerged_by,omitempty"`
}

// LinkMoved says what became of a link of the loser.
type LinkMoved struct {
	ID           uuid.UUID `json:"id"`
	ConnectionID uuid.UUID `json:"connection_id"`
	RemoteID     string    `json:"remote_id,omitempty"`
	Moved        bool      `json:"moved" doc:"false: the survivor has a record there already, so this one goes with the loser."`
}

// before is what a merge found, and what it made of the survivor.
type before struct {
	Survivor json.RawMessage `json:"survivor"`
	Loser    json.RawMessage `json:"loser"`
	Merged   json.RawMessage `json:"merged"`
}

const logMerge = `
insert into merge_log (id, entity, survivor_id, loser_id, before, "references", links)
values ($1, $2, $3, $4, $5, '[]', '[]') returning merged_at, merged_by`

// Do makes two entities one, in the caller's transaction: the survivor gets what Request says, the loser is deleted,
// what referred to the loser refers to the survivor, so do its links where the survivor has none on that connection, and
// its files are the survivor's.
// The caller must see all that refers to the loser. A merge that breaks a rule is [schema.Violations]; [crm.StaleError]
// and [crm.ErrNotFound] as for Save; [link.ErrBusy] says to try again.
func Do(ctx context.Context, tx pgx.Tx, store *crm.Store, by crm.By, r Request) (Merge, error) {
	survivor, loser, err := sides(ctx, tx, store, r)
	if err != nil {
		return Merge{}, err
	}
	merged, err := unite(r, survivor, loser)
	if err != nil {
		return Merge{}, err
	}
	m := Merge{Kind: r.Kind, SurvivorID: r.Survivor.ID, LoserID: r.Loser.ID}
	if m.ID, err = uuid.NewV7(); err != nil {
		return Merge{}, fmt.Errorf("merge: make an id: %w", err)
	}
	was, err := found(survivor, loser)
	if err != nil {
		return Merge{}, err
	}
	if err := tx.QueryRow(ctx, logMerge, m.ID, r.Kind, m.SurvivorID, m.LoserID, was).Scan(&m.MergedAt, &m.MergedBy); err != nil {
		return Merge{}, fmt.Errorf("log merge of %s %s: %w", r.Kind, m.LoserID, err)
	}
	if _, err := store.DeleteMerged(ctx, tx, by, r.Kind, m.LoserID, crm.HeadOf(loser).Version); err != nil {
		return Merge{}, err
	}
	if err := store.Save(ctx, tx, by, []crm.Entity{merged}); err != nil {
		return Merge{}, err
	}
	if m.References, err = store.Repoint(ctx, tx, by, r.Kind, m.LoserID, m.SurvivorID); err != nil {
		return Merge{}, err
	}
	moved, kept, err := link.Move(ctx, tx, string(r.Kind), m.LoserID, m.SurvivorID, crm.HeadOf(merged).Version, nil)
	if err != nil {
		return Merge{}, err
	}
	for _, l := range moved {
		m.Links = append(m.Links, LinkMoved{l.ID, l.ConnectionID, l.RemoteID, true})
	}
	for _, l := range kept {
		m.Links = append(m.Links, LinkMoved{l.ID, l.ConnectionID, l.RemoteID, false})
	}
	m.Attachments, err = attachment.Move(ctx, tx, attachment.Owner{Entity: string(r.Kind), ID: m.LoserID}, m.SurvivorID, nil)
	if err != nil {
		return Merge{}, err
	}
	return m, m.note(ctx, tx, was, merged)
}

// note completes the log, and closes the pair.
func (m *Merge) note(ctx context.Context, tx pgx.Tx, was before, merged crm.Entity) error {
	var err error
	if was.Merged, err = json.Marshal(merged); err != nil {
		return fmt.Errorf("log merge: %w", err)
	}
	if m.References == nil {
		m.References = []crm.Moved{}
	}
	if m.Links == nil {
		m.Links = []LinkMoved{}
	}
	if _, err := tx.Exec(ctx, `update merge_log set before = $2, "references" = $3, links = $4, attachments = $5 where id = $1`, m.ID, was, m.References, m.Links, m.Attachments); err != nil {
		return fmt.Errorf("log merge of %s %s: %w", m.Kind, m.LoserID, err)
	}
	_, err = tx.Exec(ctx, `
		with merged as (
			update duplicate_pairs set status = 'merged', updated_at = now(), updated_by = crmhub_actor()
			where entity = $1 and a_id = least($2::uuid, $3) and b_id = greatest($2::uuid, $3)
		)
		delete from duplicate_pairs where entity = $1 and status = 'open' and $3 in (a_id, b_id) and $2 not in (a_id, b_id)`,
		m.Kind, m.SurvivorID, m.LoserID)
	if err != nil {
		return fmt.Errorf("close duplicates of %s %s: %w", m.Kind, m.LoserID, err)
	}
	return nil
}

func sides(ctx context.Context, tx pgx.Tx, store *crm.Store, r Request) (survivor, loser crm.Entity, err error) {
	if !slices.Contains(Mergeable(), r.Kind) {
		return nil, nil, fmt.Errorf("merge %s: %w", r.Kind, ErrKind)
	}
	if r.Survivor.ID == r.Loser.ID {
		return nil, nil, schema.Violations{{Pointer: "/loser_id", Rule: "unique", Message: "must be another one than the survivor"}}
	}
	locked, err := store.GetForUpdate(ctx, tx, r.Kind, []uuid.UUID{r.Survivor.ID, r.Loser.ID})
	if err != nil {
		return nil, nil, err
	}
	for _, s := range []Side{r.Survivor, r.Loser} {
		e := locked[s.ID]
		switch {
		case (e == nil || crm.HeadOf(e).DeletedAt != nil) && s.ID == r.Loser.ID:
			return nil, nil, schema.Violations{{Pointer: "/loser_id", Rule: "exists", Message: "must be the id of a " + string(r.Kind) + " here"}}
		case e == nil || crm.HeadOf(e).DeletedAt != nil:
			return nil, nil, fmt.Errorf("merge %s %s: %w", r.Kind, s.ID, crm.ErrNotFound)
		case s.Version != 0 && crm.HeadOf(e).Version != s.Version:
			return nil, nil, &crm.StaleError{ID: s.ID, Seen: s.Version, Stored: crm.HeadOf(e).Version}
		}
	}
	return locked[r.Survivor.ID], locked[r.Loser.ID], nil
}

func found(survivor, loser crm.Entity) (was before, err error) {
	if was.Survivor, err = json.Marshal(survivor); err != nil {
		return was, fmt.Errorf("log merge: %w", err)
	}
	if was.Loser, err = json.Marshal(loser); err != nil {
		return was, fmt.Errorf("log merge: %w", err)
	}
	return was, nil
}

// unite makes the survivor as it shall be.
func unite(r Request, survivor, loser crm.Entity) (crm.Entity, error) {
	ours, err := crm.Document(survivor)
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	theirs, err := crm.Document(loser)
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	fields := crm.Writable(r.Kind)
	var vs schema.Violations
	for i, name := range r.Take {
		if !slices.Contains(fields, name) {
			vs = append(vs, schema.Violation{Pointer: fmt.Sprintf("/take/%d", i), Rule: "field", Message: "must be a field of a " + string(r.Kind)})
		}
	}
	if len(vs) > 0 {
		return nil, vs
	}
	for _, name := range fields {
		value, has := theirs[name]
		if !has {
			continue
		}
		if own, there := ours[name]; slices.Contains(r.Take, name) || !there || own == nil || own == "" {
			ours[name] = value
			continue
		}
		switch value := value.(type) {
		case []any:
			own, _ := ours[name].([]any)
			both := slices.Clone(own)
			for _, item := range value {
				if text, ok := item.(string); !ok || !slices.Contains(own, any(text)) { // a tag that both have is one
					both = append(both, item)
				}
			}
			ours[name] = both
		case map[string]any:
			if name != "ext" {
				continue // an address or a tax profile is one value
			}
			own, _ := ours[name].(map[string]any)
			both := maps.Clone(value)
			maps.Copy(both, own)
			ours[name] = both
		}
	}
	for _, name := range r.Take {
		if _, there := theirs[name]; !there {
			delete(ours, name)
		}
	}
	merged, err := crm.FromDocument(r.Kind, ours)
	if err != nil {
		return nil, err
	}
	crm.Reconcile(merged, r.Loser.ID)
	*crm.HeadOf(merged) = *crm.HeadOf(survivor)
	return merged, nil
}
