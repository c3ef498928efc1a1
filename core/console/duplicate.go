package console

import (
	"context"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/duplicate"
	"crmhub/core/postgres"
)

const duplicatesPath = "/duplicates"

func (c *Console) duplicatePages() map[string]page {
	merges := needsSome(access.Merge)
	return map[string]page{
		"GET " + duplicatesPath:                          {merges, c.listDuplicates},
		"POST " + duplicatesPath + "/find":               {merges, c.findDuplicates},
		"POST " + duplicatesPath + "/pairs/{id}/dismiss": {merges, c.dismissDuplicate},
		"POST " + duplicatesPath + "/merges/{id}/undo":   {merges, c.undoMerge},
		"GET " + duplicatesPath + "/{kind}/{a}":          {merges, c.chooseTwin},
		"GET " + duplicatesPath + "/{kind}/{a}/{b}":      {merges, c.showPair},
		"POST " + duplicatesPath + "/{kind}/{a}/{b}":     {merges, c.mergePair},
	}
}

// duplicatesPage is the data of the page of what may be there twice.
type duplicatesPage struct {
	pager
	Kind     crm.Kind
	Kinds    []option
	Status   string
	Statuses []duplicate.Status
	Pairs    []pairRow
	Merges   []mergeRow
}

// pairRow is two records that may be one.
type pairRow struct {
	duplicate.Pair
	TitleA, TitleB string
	Why            []string
	Compare        string // where they stand side by side
}

// mergeRow is a merge that was done.
type mergeRow struct {
	duplicate.Merge
	Title, Link string // of the one that stayed
	Who         string
}

// mergedKinds are the kinds whose duplicates the visitor may look through: what a pair tells of reaches over the organization.
func (v *visit) mergedKinds() []crm.Kind {
	return slices.DeleteFunc(crm.Matched(), func(k crm.Kind) bool {
		return v.who.May(access.Resource(k), access.Merge) != postgres.ScopeOrganization
	})
}

// comparePath is where two records stand side by side.
func comparePath(k crm.Kind, a, b uuid.UUID) string { return twinPath(k, a) + "/" + b.String() }

func (c *Console) listDuplicates(ctx context.Context, v *visit) error {
	kinds := v.mergedKinds()
	if len(kinds) == 0 {
		return errForbidden
	}
	q := v.r.URL.Query()
	p := duplicatesPage{Kind: crm.Kind(q.Get("entity")), Status: q.Get("status"), Statuses: duplicate.Statuses()}
	if p.Kind == "" {
		p.Kind = kinds[0]
	}
	if p.Status == "" {
		p.Status = string(duplicate.Open)
	}
	if !slices.Contains(kinds, p.Kind) || !slices.Contains(p.Statuses, duplicate.Status(p.Status)) {
		return errAddress
	}
	for _, k := range kinds {
		p.Kinds = append(p.Kinds, option{string(k), v.say("kinds." + string(k)), k == p.Kind})
	}
	address := func(after string) string {
		return urlOf(duplicatesPath, map[string]string{"entity": string(p.Kind), "status": p.Status, "after": after})
	}
	err := v.as(ctx, func(tx pgx.Tx) error {
		found, err := duplicate.List(ctx, tx, duplicate.Filter{Kind: p.Kind, Status: duplicate.Status(p.Status), After: q.Get("after"), Limit: pageSize})
		if err != nil {
			return err
		}
		merges, err := duplicate.Merges(ctx, tx, uuid.Nil, 20)
		if err != nil {
			return err
		}
		p.pager = pagerOf(address, q.Get("after"), found.Next)
		return v.fillDuplicates(ctx, tx, &p, found.Items, merges)
	})
	if err != nil {
		return err
	}
	return v.show("duplicates", p)
}

// fillDuplicates names what pairs and merges are about, as far as the visitor sees it.
func (v *visit) fillDuplicates(ctx context.Context, tx pgx.Tx, p *duplicatesPage, pairs []duplicate.Pair, merges []duplicate.Merge) error {
	doc := map[string]any{}
	var refers []field
	ask := func(k crm.Kind, id uuid.UUID) {
		f := field{Field: crm.Field{Name: id.String(), Type: "id", Refers: k}}
		refers, doc[f.Name] = append(refers, f), id.String()
	}
	for _, pair := range pairs {
		ask(pair.Kind, pair.A)
		ask(pair.Kind, pair.B)
	}
	for _, m := range merges {
		ask(m.Kind, m.SurvivorID)
	}
	n, err := v.name(ctx, tx, refers, doc)
	if err != nil {
		return err
	}
	of := func(k crm.Kind, id uuid.UUID) (title, link string) {
		return n.of(field{Field: crm.Field{Refers: k}}, id.String())
	}
	for _, pair := range pairs {
		row := pairRow{Pair: pair, Compare: comparePath(pair.Kind, pair.A, pair.B)}
		row.TitleA, _ = of(pair.Kind, pair.A)
		row.TitleB, _ = of(pair.Kind, pair.B)
		for _, reason := range pair.Reasons {
			row.Why = append(row.Why, v.say("reason."+reason.Kind))
		}
		p.Pairs = append(p.Pairs, row)
	}
	for _, m := range merges {
		if m.Kind != p.Kind {
			continue
		}
		row := mergeRow{Merge: m, Who: v.actor(m.MergedBy, n)}
		row.Title, row.Link = of(m.Kind, m.SurvivorID)
		p.Merges = append(p.Merges, row)
	}
	return nil
}

// findDuplicates compares all records of a kind.
func (c *Console) findDuplicates(ctx context.Context, v *visit) error {
	k := crm.Kind(v.r.PostFormValue("entity"))
	if !slices.Contains(v.mergedKinds(), k) {
		return errForbidden
	}
	n, err := get(ctx, v, func(tx pgx.Tx) (int, error) { return duplicate.Find(ctx, tx, k) })
	if err != nil {
		return err
	}
	notice := "duplicates_found"
	if n == 0 {
		notice = "no_duplicates"
	}
	return v.done(duplicatesPath+"?entity="+string(k), notice)
}

func (c *Console) dismissDuplicate(ctx context.Context, v *visit) error {
	id, err := v.id(duplicate.ErrNotFound)
	if err != nil {
		return err
	}
	var pair duplicate.Pair
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		if pair, err = duplicate.Dismiss(ctx, tx, id); err == nil && !slices.Contains(v.mergedKinds(), pair.Kind) {
			return errForbidden // and nothing is dismissed
		}
		return err
	})
	if err != nil {
		return err
	}
	return v.done(duplicatesPath+"?entity="+string(pair.Kind), "duplicate_dismissed")
}

func (c *Console) undoMerge(ctx context.Context, v *visit) error {
	id, err := v.id(duplicate.ErrNotFound)
	if err != nil {
		return err
	}
	var u duplicate.Unmerged
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		if u, err = c.editor.Unmerge(ctx, tx, v.author(), id); err == nil && v.who.May(access.Resource(u.Merge.Kind), access.Merge) != postgres.ScopeOrganization {
			return errForbidden // and nothing is undone
		}
		return err
	})
	if err != nil {
		return err
	}
	return v.done(pathOf(u.Merge.Kind)+"/"+u.Merge.LoserID.String(), "unmerged")
}

// pairPage is the data of the page on which two records stand side by side.
type pairPage struct {
	Kind     crm.Kind
	Path     string
	Sides    [2]pairSide
	Keep     string // "a" or "b": which one stays
	Differ   []pairField
	Alike    []pairField // equal, or known of one only
	Refused  []string
	PairID   uuid.UUID // of the pair that was found, nil if none was
	PairOpen bool
}

type pairSide struct {
	Key, Title, Link string
	Version          int64
}

// pairField is a field with both values.
type pairField struct {
	Name, Label string
	A, B        cell
	Take        string // "a" or "b": whose value stays
	Fixed       bool   // the visitor may not choose
}

func (c *Console) showPair(ctx context.Context, v *visit) error {
	return v.writePair(ctx, nil)
}

// pair is the kind and the two records of the address.
func (v *visit) pair() (k crm.Kind, ids [2]uuid.UUID, err error) {
	k = crm.Kind(v.r.PathValue("kind"))
	a, errA := uuid.Parse(v.r.PathValue("a"))
	b, errB := uuid.Parse(v.r.PathValue("b"))
	if errA != nil || errB != nil || a == b || !slices.Contains(duplicate.Mergeable(), k) {
		return k, ids, duplicate.ErrNotFound
	}
	return k, [2]uuid.UUID{a, b}, nil
}

func (v *visit) writePair(ctx context.Context, refused error) error {
	if _, other := wrongIn(refused); other != nil {
		return other
	}
	k, ids, err := v.pair()
	if err != nil {
		return err
	}
	if v.who.May(access.Resource(k), access.Merge) == "" {
		return errForbidden
	}
	p := pairPage{Kind: k, Path: v.r.URL.Path, Keep: "a"}
	if v.r.PostFormValue("keep") == "b" {
		p.Keep = "b"
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		fields, err := v.fields(ctx, tx, k)
		if err != nil {
			return err
		}
		found, err := v.console.CRM.Get(ctx, tx, k, ids[:])
		if err != nil {
			return err
		}
		var docs [2]map[string]any
		for i, id := range ids {
			if found[id] == nil || crm.HeadOf(found[id]).DeletedAt != nil {
				return crm.ErrNotFound
			}
			if docs[i], err = v.document(found[id]); err != nil {
				return err
			}
		}
		n, err := v.name(ctx, tx, fields, docs[:]...)
		if err != nil {
			return err
		}
		for i, id := range ids {
			p.Sides[i] = pairSide{string("ab"[i]), v.titleOf(viewOf(k), docs[i], n, fields), pathOf(k) + "/" + id.String(), crm.HeadOf(found[id]).Version}
		}
		v.compare(&p, fields, docs, n)
		p.Refused = v.refusal(refused, fields)
		pairs, err := duplicate.List(ctx, tx, duplicate.Filter{Kind: k, Entity: ids[0], Limit: pageSize})
		for _, pair := range pairs.Items {
			if slices.Contains(ids[:], pair.A) && slices.Contains(ids[:], pair.B) {
				p.PairID, p.PairOpen = pair.ID, pair.Status == duplicate.Open
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return v.writeForm("duplicate", p, refused)
}

// compare puts the fields beside each other: first those that a choice has to be made of.
func (v *visit) compare(p *pairPage, fields []field, docs [2]map[string]any, n *names) {
	for _, f := range fields {
		if f.Head || f.Type == "list" || f.Name == "id" || f.Name == "origin" || f.Name == "version" {
			continue
		}
		row := pairField{Name: f.Name, Label: f.label, A: v.cell(f, f.valueIn(docs[0]), docs[0], n), B: v.cell(f, f.valueIn(docs[1]), docs[1], n)}
		same := row.A.Text == row.B.Text && row.A.Time == row.B.Time && slices.Equal(row.A.Texts, row.B.Texts)
		switch {
		case f.valueIn(docs[0]) == nil && f.valueIn(docs[1]) == nil, row.A.Empty() && row.B.Empty():
		case same || row.A.Empty() || row.B.Empty() || len(f.Name) > len(customPrefix) && f.Name[:len(customPrefix)] == customPrefix:
			p.Alike = append(p.Alike, row)
		default:
			row.Fixed = len(v.who.Unwritable(access.Resource(p.Kind), map[string]any{f.Name: nil})) > 0
			if row.Take = p.Keep; !row.Fixed && slices.Contains([]string{"a", "b"}, v.r.PostFormValue("take."+f.Name)) {
				row.Take = v.r.PostFormValue("take." + f.Name)
			}
			p.Differ = append(p.Differ, row)
		}
	}
}

func (c *Console) mergePair(ctx context.Context, v *visit) error {
	k, ids, err := v.pair()
	if err != nil {
		return err
	}
	keep, err := v.choice("keep", "a", "b")
	if err != nil {
		return err
	}
	r := duplicate.Request{Kind: k, Survivor: duplicate.Side{ID: ids[0]}, Loser: duplicate.Side{ID: ids[1]}}
	other := "b"
	if keep == "b" {
		r.Survivor, r.Loser, other = r.Loser, r.Survivor, "a"
	}
	for side, key := range map[*duplicate.Side]string{&r.Survivor: keep, &r.Loser: other} {
		if side.Version, err = strconv.ParseInt(v.r.PostFormValue("version."+key), 10, 64); err != nil {
			return errAddress
		}
	}
	for _, f := range crm.Fields(k) {
		if v.r.PostFormValue("take."+f.Name) == other {
			r.Take = append(r.Take, f.Name)
		}
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		_, err := c.editor.Merge(ctx, tx, v.author(), r)
		return err
	})
	if err != nil {
		return v.writePair(ctx, err)
	}
	return v.done(pathOf(k)+"/"+r.Survivor.ID.String(), "merged")
}
