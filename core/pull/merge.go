package pull

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"crmhub/core/crm"
	"crmhub/core/link"
)

// merge decides what an item changes: it sets what is to be saved and what both sides then agree on.
func (s *stream) merge(it *item, stored crm.Entity) {
	switch {
	case it.link == nil && it.record.Deleted: // it came and went unseen
	case it.link == nil:
		it.saved, it.merged, it.result = it.entity, it.agreed, created
	case stored == nil:
		it.fault = &fault{stage: mergeStage, class: "internal", err: fmt.Errorf("the linked %s %s is gone", s.kind, it.link.EntityID)}
	case crm.HeadOf(stored).DeletedAt != nil: // what was deleted here stays deleted
	case it.record.Deleted:
		s.mergeDeleted(it, stored)
	default:
		s.mergeFields(it, stored)
	}
}

func (s *stream) mergeFields(it *item, stored crm.Entity) {
	ours, err := crm.Document(stored)
	if err != nil {
		it.fault = &fault{stage: mergeStage, class: "internal", err: err}
		return
	}
	base := it.agreedBefore()
	sides := link.Sides{
		Base: base, Ours: ours, Theirs: s.theirs(it, base, ours),
		OursAt: crm.HeadOf(stored).UpdatedAt, TheirsAt: it.record.UpdatedAt,
	}
	if it.erased {
		it.decide = s.oursAlone(it.decide)
	}
	sides.Base = link.Decide(sides, it.decide)
	m := link.Merge(sides, s.fields)
	if it.erased {
		s.forget(&m, ours)
	}
	it.merged, it.saved = &m, stored
	if !m.Write {
		return
	}
	it.was = maps.Clone(ours)
	for name, v := range m.Fields {
		if v == nil {
			delete(ours, name)
		} else {
			ours[name] = v
		}
	}
	if it.saved, err = crm.FromDocument(s.kind, ours); err != nil {
		it.fault = &fault{stage: mergeStage, class: "mapping", err: err}
		return
	}
	it.result = updated
}

// oursAlone decides the personal fields of what was erased: the other side still says what nobody here may keep.
func (s *stream) oursAlone(decided map[string]link.Side) map[string]link.Side {
	all := maps.Clone(decided)
	if all == nil {
		all = map[string]link.Side{}
	}
	for _, f := range s.fields {
		if f.Pull && s.personal(f.Path) {
			all[f.Path] = link.Ours
		}
	}
	return all
}

// forget keeps out of the snapshot what the other side says of a person who was erased.
func (s *stream) forget(m *link.Merged, ours map[string]any) {
	for field := range m.Snapshot {
		if s.personal(field) {
			m.Snapshot[field] = ours[field]
		}
	}
}

// personal reports whether a field may say something of a person. Custom fields count as such.
func (s *stream) personal(field string) bool {
	return field == "ext" || slices.Contains(crm.Personal(s.kind), field)
}

// mergeDeleted takes over a deletion where the remote owns the entity. Elsewhere a person has to say which side is right.
func (s *stream) mergeDeleted(it *item, stored crm.Entity) {
	if !s.remoteOwns {
		it.fault = &fault{
			stage: mergeStage, class: "conflict",
			err: errors.New("the record was deleted on the other side, while the entity here lives on"),
		}
		return
	}
	it.saved, it.result = stored, updated
	it.merged = &link.Merged{Snapshot: it.agreedBefore()}
}

// agreedBefore is what both sides agreed on last; nil if they never did.
func (it *item) agreedBefore() map[string]any {
	if it.link == nil || len(it.link.Snapshot) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(it.link.Snapshot))
	d.UseNumber()
	var base map[string]any
	if d.Decode(&base) != nil {
		return nil // jsonb is always well-formed; what is no object was never agreed on
	}
	return base
}

// agreeOnNew merges an item's record with the entity that is made of it, given as a document. A field that can only be
// pushed was never the remote's to say: it counts as agreed.
func (s *stream) agreeOnNew(it *item, ours map[string]any) (err error) {
	base := map[string]any{}
	for _, f := range s.fields {
		if !f.Pull {
			base[f.Path] = ours[f.Path]
		}
	}
	m := link.Merge(link.Sides{Base: base, Ours: ours, Theirs: s.theirs(it, nil, ours)}, s.fields)
	it.agreed = &m
	it.base, err = json.Marshal(m.Snapshot)
	return err
}

// theirs is what the record says of every field. Where it says nothing, or is not asked, nothing has changed since both sides agreed.
func (s *stream) theirs(it *item, base, ours map[string]any) map[string]any {
	whole := maps.Clone(it.doc)
	for _, f := range s.fields {
		if _, said := whole[f.Path]; said && it.decide[f.Path] != link.Neither || !f.Pull {
			continue
		}
		if v, agreed := base[f.Path]; agreed {
			whole[f.Path] = v
		} else {
			whole[f.Path] = ours[f.Path]
		}
	}
	return whole
}

// settled reports whether the link says already all that acknowledging the item would write.
func (it *item) settled() bool {
	l, m := it.link, it.merged
	return it.result == unchanged && !m.Push && len(m.Conflicts) == 0 && l.State == link.Linked &&
		l.RemoteID == it.record.ID && l.RemoteVersion == it.record.Version &&
		l.SyncedVersion == crm.HeadOf(it.saved).Version && l.WantedVersion == l.SyncedVersion &&
		reflect.DeepEqual(it.agreedBefore(), m.Snapshot)
}
