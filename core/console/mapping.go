package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/mapping"
	"crmhub/core/revision"
	"crmhub/core/schema"
)

// mappingRow is what holds for an entity on a connection.
type mappingRow struct {
	Entity string
	Record string
	Number int // of the version that holds; 0 is what is shipped
	To     string
}

// mappingPage is where a mapping is changed, tried and published.
type mappingPage struct {
	Connection connection.Connection
	Entity     string
	Path       string
	Live       int // the version that holds; 0 is what is shipped
	Shown      int // the version whose text is in the editor
	Own        bool
	Text       string
	Note       string
	Versions   []revision.Version
	Samples    []sample
	Sample     string // chosen
	RemoteID   string
	Changes    []mapping.RuleChange // of the text against what holds
	Preview    *revision.Preview
	Effect     *revision.Effect
	Affected   []affectedRow
	Pulled     bool // the effect is that on what is pulled
	CanPull    bool
	Faults     []schema.Violation
	Sound      bool             // the text has no faults, and nothing was chosen to try it on
	Failed     *connector.Error // why a record could not be read
	CanChange  bool
}

// affectedRow is what a version has an effect on, by the name that people know.
type affectedRow struct {
	revision.Affected
	Title, URL string // of the entity, "" where there is none that the visitor sees
}

// sample is an entity that a text may be tried on.
type sample struct {
	ID   string
	Name string
}

// mappingRows are the mappings of a connection.
func (c *Console) mappingRows(ctx context.Context, tx pgx.Tx, conn connection.Connection) ([]mappingRow, error) {
	var rows []mappingRow
	for _, s := range c.Connections.Streams(conn) {
		m, number, err := c.Revisions.Live(ctx, tx, conn, s.Entity)
		if err != nil && !revision.Misfit(err) {
			return nil, err
		}
		row := mappingRow{Entity: s.Entity, Record: s.Record, Number: number, To: "/sync/connections/" + conn.ID.String() + "/mappings/" + s.Entity}
		if m != nil {
			row.Record = m.Record()
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// mappingOf begins the page that the address names.
func (c *Console) mappingOf(ctx context.Context, v *visit) (p mappingPage, err error) {
	id, err := v.id(connection.ErrNotFound)
	if err != nil {
		return p, err
	}
	p.Entity = v.r.PathValue("entity")
	r := access.Resource(p.Entity)
	if v.who.May(r, access.Read) == "" || len(v.who.Blind(r)) > 0 {
		return p, errForbidden // it shows whole records
	}
	p.CanChange = v.who.May(access.Connections, access.Update) != ""
	p.Path = "/sync/connections/" + id.String() + "/mappings/" + p.Entity
	v.here = p.Path
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		p.Connection, err = c.Connections.Get(ctx, tx, id)
		return err
	})
	if err == nil && !slices.ContainsFunc(c.Connections.Streams(p.Connection), func(s connector.Stream) bool { return s.Entity == p.Entity }) {
		err = connection.ErrNotFound
	}
	p.CanPull = slices.ContainsFunc(c.Connections.Streams(p.Connection), func(s connector.Stream) bool { return s.Entity == p.Entity && s.Pull })
	return p, err
}

// fill reads what the page shows beside the editor.
func (c *Console) fill(ctx context.Context, v *visit, tx pgx.Tx, p *mappingPage) error {
	live, number, err := c.Revisions.Live(ctx, tx, p.Connection, p.Entity)
	if err != nil && !revision.Misfit(err) {
		return err
	}
	p.Live = number
	if p.Text == "" && err != nil { // it is mended here
		misfit, err := c.versionOf(ctx, tx, *p, number)
		if err != nil {
			return err
		}
		p.Text, p.Shown = misfit.Text, number
	}
	if p.Versions, err = c.Revisions.List(ctx, tx, p.Connection.ID, p.Entity); err != nil {
		return err
	}
	if p.Text == "" && live != nil {
		p.Text, p.Shown = string(live.Text()), number
	}
	p.Own = p.Shown > 0
	if live != nil {
		if m, err := c.Revisions.Check(p.Connection, revision.New{Entity: p.Entity, Text: p.Text}); err == nil {
			p.Changes = mapping.Compare(live, m)
		}
	}
	if p.Effect != nil {
		p.Affected = make([]affectedRow, len(p.Effect.Items))
		about := func(i int) (string, uuid.UUID) { return p.Entity, p.Effect.Items[i].EntityID }
		name := func(i int, title, url string) { p.Affected[i].Title, p.Affected[i].URL = title, url }
		for i, a := range p.Effect.Items {
			p.Affected[i].Affected = a
		}
		if err := v.titled(ctx, tx, len(p.Affected), about, name); err != nil {
			return err
		}
	}
	return c.samples(ctx, tx, p)
}

// samples are the newest entities of the kind.
func (c *Console) samples(ctx context.Context, tx pgx.Tx, p *mappingPage) error {
	kind, err := crm.ParseKind(p.Entity)
	if err != nil {
		return connection.ErrNotFound
	}
	newest, err := c.Revisions.Newest(ctx, tx, p.Connection.ID, p.Entity, 20)
	if err != nil {
		return err
	}
	ids := make([]uuid.UUID, len(newest))
	for i, l := range newest {
		ids[i] = l.EntityID
	}
	titles, err := c.CRM.Titles(ctx, tx, kind, ids)
	if len(ids) > 0 && p.Sample == "" && p.RemoteID == "" {
		p.Sample = ids[0].String() // one to try at once
	}
	for _, id := range ids {
		p.Samples = append(p.Samples, sample{id.String(), cmp.Or(titles[id], id.String())})
	}
	return err
}

// recordTime is how long a person waits for another system's record.
const recordTime = 30 * time.Second

// mappingPages are the editor of a connection's mappings.
func (c *Console) mappingPages() map[string]page {
	const at = "/sync/connections/{id}/mappings/{entity}"
	return map[string]page{
		"GET " + at:                 {needs(access.Connections, access.Read), c.showMapping},
		"POST " + at:                {needs(access.Connections, access.Update), c.saveMapping},
		"POST " + at + "/try":       {needs(access.Connections, access.Read), c.tryMapping},
		"POST " + at + "/publish":   {needs(access.Connections, access.Update), c.publishMapping},
		"POST " + at + "/roll-back": {needs(access.Connections, access.Update), c.rollBackMapping},
	}
}

func (c *Console) showMapping(ctx context.Context, v *visit) error {
	p, err := c.mappingOf(ctx, v)
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	number := 0
	if q.Has("version") {
		if number, err = strconv.Atoi(q.Get("version")); err != nil || number < 1 {
			return errAddress
		}
	}
	var chosen revision.Version
	if number > 0 {
		err := v.as(ctx, func(tx pgx.Tx) (err error) {
			chosen, err = c.versionOf(ctx, tx, p, number)
			return err
		})
		if err != nil {
			return err
		}
		p.Text, p.Note, p.Shown = chosen.Text, chosen.Note, number
		if q.Has("effect") {
			p.Pulled = q.Get("effect") == "pull"
			if err := c.effect(ctx, v, &p, chosen); err != nil {
				return err
			}
		}
	}
	if err := v.as(ctx, func(tx pgx.Tx) error { return c.fill(ctx, v, tx, &p) }); err != nil {
		return err
	}
	return v.show("mapping", p)
}

// recordsTime is how long a person waits for many of another system's records.
const recordsTime = time.Minute

// effect tries a version on linked entities or on the other system's records, which are read without a transaction.
func (c *Console) effect(ctx context.Context, v *visit, p *mappingPage, chosen revision.Version) error {
	var records []connector.Record
	var err error
	if p.Pulled {
		reading, cancel := context.WithTimeout(ctx, recordsTime)
		defer cancel()
		records, err = c.Revisions.Records(reading, p.Connection, chosen, revision.MostChecked)
		if vs := schema.Violations(nil); err != nil && !errors.As(err, &vs) {
			p.Failed = connector.AsError(err)
			return nil
		}
	}
	var e revision.Effect
	if err == nil {
		err = v.as(ctx, func(tx pgx.Tx) (err error) {
			if p.Pulled {
				e, err = c.Revisions.EffectOnRecords(ctx, tx, chosen, records)
			} else {
				e, err = c.Revisions.Effect(ctx, tx, chosen)
			}
			return err
		})
	}
	if vs := schema.Violations(nil); errors.As(err, &vs) {
		p.Faults = vs
		return nil
	}
	p.Effect = &e
	return err
}

func (c *Console) versionOf(ctx context.Context, tx pgx.Tx, p mappingPage, number int) (revision.Version, error) {
	all, err := c.Revisions.List(ctx, tx, p.Connection.ID, p.Entity)
	if err != nil {
		return revision.Version{}, err
	}
	for _, v := range all {
		if v.Number == number {
			return c.Revisions.Get(ctx, tx, v.ID)
		}
	}
	return revision.Version{}, connection.ErrNotFound
}

// tryMapping shows what the text in the editor makes of a sample, or what is wrong with it.
func (c *Console) tryMapping(ctx context.Context, v *visit) error {
	p, err := c.edited(ctx, v)
	if err != nil {
		return err
	}
	in := revision.New{ConnectionID: p.Connection.ID, Entity: p.Entity, Text: p.Text}
	m, err := c.Revisions.Check(p.Connection, in)
	if err != nil {
		return c.refused(ctx, v, p, err)
	}
	var record map[string]any
	if p.RemoteID != "" {
		ctx, cancel := context.WithTimeout(ctx, recordTime)
		defer cancel()
		found, err := c.Revisions.Remote(ctx, p.Connection, m.Record(), p.RemoteID)
		switch {
		case err != nil:
			p.Failed = connector.AsError(err)
		case found == nil:
			p.Failed = &connector.Error{Message: v.say("mapping.no_record")}
		default:
			record = found.Data
		}
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		var made revision.Preview
		id, err := uuid.Parse(p.Sample)
		switch {
		case record != nil:
			made, err = c.Revisions.PreviewRecord(ctx, tx, p.Connection, in, record)
		case p.Failed != nil || err != nil:
			p.Sound = p.Failed == nil
			return c.fill(ctx, v, tx, &p)
		default:
			made, err = c.Revisions.PreviewEntity(ctx, tx, p.Connection, in, id)
		}
		if err != nil {
			return err
		}
		p.Preview = &made
		return c.fill(ctx, v, tx, &p)
	})
	if err != nil {
		return err
	}
	return v.show("mapping", p)
}

// edited is the page with what stands in its form.
func (c *Console) edited(ctx context.Context, v *visit) (mappingPage, error) {
	p, err := c.mappingOf(ctx, v)
	p.Text = strings.ReplaceAll(v.r.PostFormValue("text"), "\r\n", "\n")
	p.Note, p.Sample, p.RemoteID = v.r.PostFormValue("note"), v.r.PostFormValue("sample"), strings.TrimSpace(v.r.PostFormValue("remote_id"))
	p.Shown, _ = strconv.Atoi(v.r.PostFormValue("shown")) // 0 is the text of no version
	if err == nil && p.Text == "" {
		err = errAddress
	}
	return p, err
}

// refused shows the page again with what is wrong.
func (c *Console) refused(ctx context.Context, v *visit, p mappingPage, wrong error) error {
	vs, other := wrongIn(wrong)
	if other != nil {
		return other
	}
	p.Faults = vs
	if err := v.as(ctx, func(tx pgx.Tx) error { return c.fill(ctx, v, tx, &p) }); err != nil {
		return err
	}
	return v.write(http.StatusUnprocessableEntity, "mapping", p)
}

// saveMapping stores the text in the editor as a draft, and tests it.
func (c *Console) saveMapping(ctx context.Context, v *visit) error {
	p, err := c.edited(ctx, v)
	if err != nil {
		return err
	}
	var stored revision.Version
	var failed schema.Violations
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		if stored, err = c.Revisions.Add(ctx, tx, revision.New{ConnectionID: p.Connection.ID, Entity: p.Entity, Text: p.Text, Note: p.Note}); err != nil {
			return err
		}
		_, report, err := c.Revisions.Test(ctx, tx, stored.ID)
		for _, f := range report.Faults {
			failed = append(failed, schema.Violation{Pointer: "/text", Rule: "test", Message: f})
		}
		return err
	})
	if err != nil {
		return c.refused(ctx, v, p, err)
	}
	if p.Shown = stored.Number; len(failed) > 0 {
		return c.refused(ctx, v, p, failed)
	}
	return v.done(p.Path+"?"+url.Values{"version": {strconv.Itoa(stored.Number)}}.Encode(), "mapping_saved")
}

// publishMapping makes a version live, or shows what keeps it from that.
func (c *Console) publishMapping(ctx context.Context, v *visit) error {
	p, err := c.mappingOf(ctx, v)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(v.r.PostFormValue("number"))
	if err != nil {
		return errAddress
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		chosen, err := c.versionOf(ctx, tx, p, number)
		if err != nil {
			return err
		}
		p.Text, p.Note, p.Shown = chosen.Text, chosen.Note, number
		_, err = c.Revisions.Publish(ctx, tx, chosen.ID)
		return err
	})
	var worse *revision.WorseError
	switch {
	case errors.As(err, &worse):
		p.Effect = &worse.Effect
		return c.refused(ctx, v, p, schema.Violations{{Pointer: "/text", Rule: "worse", Message: worse.Error(), Said: schema.Say("would_fail", worse.Effect.Worse, worse.Effect.Checked)}})
	case errors.Is(err, revision.ErrStatus):
		return errClosed
	case err != nil:
		return c.refused(ctx, v, p, err)
	}
	return v.done(p.Path, "mapping_published")
}

// rollBackMapping takes the live version back.
func (c *Console) rollBackMapping(ctx context.Context, v *visit) error {
	p, err := c.mappingOf(ctx, v)
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(v.r.PostFormValue("reason"))
	if reason == "" {
		return errAddress // the form requires one
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		_, _, err := c.Revisions.RollBack(ctx, tx, p.Connection.ID, p.Entity, reason)
		return err
	})
	if errors.Is(err, revision.ErrStatus) {
		return errClosed
	}
	if err != nil {
		return err
	}
	return v.done(p.Path, "mapping_rolled_back")
}
