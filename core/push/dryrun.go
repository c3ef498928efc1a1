package push

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/schema"
)

// DryRun tells what would be pushed of a stream's entities whose newest version the remote lacks. The remote is read, where it
// can be, to say field by field what would change; nothing is announced, sent or stored. Of the configuration Streams,
// Changes and Metrics are not used.
func DryRun(ctx context.Context, c Config, st Stream, o job.DryOptions) (job.DryReport, error) {
	report := job.DryReport{Items: []job.DryItem{}}
	after := uuid.Nil
	if o.After != "" {
		var err error
		if after, err = uuid.Parse(o.After); err != nil {
			return report, job.ErrDryCursor
		}
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	d := dry{Pusher: &Pusher{Config: c}, stream: &stream{Stream: st}}
	d.finder, _ = c.Session.(connector.Finder)
	d.getter, _ = c.Session.(connector.Getter)
	items, err := d.read(ctx, after, o.Size(), &report)
	if err != nil {
		return report, fmt.Errorf("dry run of pushing %s: %w", st.Entity, err)
	}
	for _, it := range items {
		if err := ctx.Err(); err != nil {
			return report, err
		}
		report.Add(d.would(ctx, it))
	}
	return report, nil
}

// dry is a pusher that only looks.
type dry struct {
	*Pusher
	*stream
}

// read returns the items that would be sent, mapped, and counts the others.
func (d *dry) read(ctx context.Context, after uuid.UUID, limit int, report *job.DryReport) (items []*item, err error) {
	kind := crm.Kind(d.Entity)
	var refs []crm.VersionRef
	var known map[mapping.Ref]link.Link
	err = d.as(ctx, func(tx pgx.Tx) (err error) {
		if refs, err = d.CRM.IDsAfter(ctx, tx, kind, after, limit); err != nil {
			return err
		}
		asked := make([]mapping.Ref, len(refs))
		for i, r := range refs {
			asked[i] = mapping.Ref{Entity: d.Entity, ID: r.ID.String()}
		}
		known, err = link.ByEntity(ctx, tx, d.Connection, asked)
		return err
	})
	if err != nil {
		return nil, err
	}
	if report.Read = len(refs); len(refs) == limit {
		report.Next = refs[len(refs)-1].ID.String()
	}
	for _, r := range refs {
		l, linked := known[mapping.Ref{Entity: d.Entity, ID: r.ID.String()}]
		if r.Deleted && !linked || linked && l.State == link.Linked && r.Version <= l.SyncedVersion {
			report.Unchanged++
			continue
		}
		it := &item{id: r.ID, version: r.Version, stored: true, remoteID: l.RemoteID}
		it.link.Reference, it.link.State = l.Reference, l.State
		items = append(items, it)
	}
	if err := d.documents(ctx, d.stream, items); err != nil {
		return nil, err
	}
	links, err := d.links(ctx, d.stream, items)
	for _, it := range items {
		it.translate(d.Mapping, links)
	}
	return items, err
}

// would is what a push would do with an item.
func (d *dry) would(ctx context.Context, it *item) job.DryItem {
	id := it.id
	i := job.DryItem{EntityID: &id, RemoteID: it.remoteID}
	if it.fault != nil {
		i.Action, i.Message, i.Said = "fail", it.fault.Error(), mapping.SayingOf(it.fault)
		if _, missing := errors.AsType[*mapping.MissingLink](it.fault); missing {
			i.Action = "wait"
		}
		i.Faults, _ = errors.AsType[schema.Violations](it.fault)
		return i
	}
	record, err := d.present(ctx, it)
	if err != nil {
		remote := connector.AsError(err)
		i.Message, i.Said = "what the other system holds could not be read: "+remote.Error(), remote.Said
		if i.Said == nil {
			i.Said = schema.Say("not_read_there", remote)
		}
	}
	if record != nil {
		i.RemoteID = record.ID
	}
	switch {
	case it.deleted && (i.RemoteID == "" || !d.Delete):
		return job.DryItem{} // nothing of it is over there, or it cannot be taken away
	case it.deleted:
		i.Action = "delete"
	case i.RemoteID == "":
		i.Action, i.Differences = "create", mapping.Differences(nothing, it.record)
	case record == nil:
		i.Action, i.Differences = "update", mapping.Differences(nothing, it.record)
	default:
		if i.Differences = mapping.Differences(likeRecord(it.record, record.Data), it.record); len(i.Differences) == 0 {
			return job.DryItem{}
		}
		i.Action = "update"
	}
	return i
}

var nothing = map[string]any{} //nolint:gochecknoglobals // never written

// present is the record as the remote has it now; nil if it cannot say, or has none.
func (d *dry) present(ctx context.Context, it *item) (*connector.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	switch {
	case it.remoteID != "" && d.Get && d.getter != nil:
		return d.getter.Get(ctx, d.Record, it.remoteID)
	case it.remoteID == "" && d.Find && d.finder != nil && (d.FindFirst || it.link.Outstanding()):
		reference := it.link.Reference
		if reference == "" {
			reference = it.reference
		}
		return d.finder.Find(ctx, d.Record, reference)
	}
	return nil, nil //nolint:nilnil // as the contract of those two
}

// likeRecord is what the remote has in the places that a push sets: what else it has stays as it is.
func likeRecord(sent, has any) any {
	s, ok := sent.(map[string]any)
	h, both := has.(map[string]any)
	if !ok || !both {
		return has
	}
	some := make(map[string]any, len(s))
	for name, v := range s {
		if there, ok := h[name]; ok {
			some[name] = likeRecord(v, there)
		}
	}
	return some
}
