package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/schema"
)

// bulkItem is one item of a bulk on its way.
type bulkItem struct {
	at      int // its place
	action  access.Action
	id      uuid.UUID      // of what is updated or deleted
	seen    int64          // version; 0 is any
	given   map[string]any // what is to be created, or the patch
	entity  crm.Entity     // to be saved or deleted; once that is done, what is stored
	problem *Problem       // why it was refused; nil while it was not
}

// bulkItems takes in what was given, and refuses what lacks something that its action needs.
func bulkItems(given []bulkItemInput) []*bulkItem {
	items := make([]*bulkItem, len(given))
	named := map[uuid.UUID]bool{}
	for i, in := range given {
		it := &bulkItem{at: i, action: in.Action, given: in.Entity}
		items[i] = it
		var vs schema.Violations
		fault := func(at, rule, message string) {
			vs = append(vs, schema.Violation{Pointer: at, Rule: rule, Message: message})
		}
		if (in.Action == access.Delete) != (in.Entity == nil) {
			fault("/entity", "required", "must be given to create and update, and only then")
		}
		if in.Action == access.Create {
			if in.ID != "" {
				fault("/id", "const", "must be given in the entity, if at all")
			}
			if in.Version != nil {
				fault("/version", "const", "must be left out: what is created is new")
			}
		} else {
			var err error
			if it.id, err = uuid.Parse(in.ID); err != nil {
				fault("/id", "format", "must be a UUID")
			} else if named[it.id] {
				fault("/id", "unique", "must be once in a bulk")
			}
			named[it.id] = true
			if in.Version == nil {
				fault("/version", "required", "must be the version you have seen, or 0 for any")
			} else {
				it.seen = *in.Version
			}
		}
		if len(vs) > 0 {
			it.problem = invalid(vs).at(it.pointer())
		}
	}
	return items
}

// open are the items that nothing is known against.
func open(items []*bulkItem) []*bulkItem {
	var left []*bulkItem
	for _, it := range items {
		if it.problem == nil {
			left = append(left, it)
		}
	}
	return left
}

// pointer leads to the item in the body.
func (it *bulkItem) pointer() string { return "/items/" + strconv.Itoa(it.at) }

// refuse notes why an item is not written; nil is no reason. What is the hub's own fault it returns: that ends the bulk.
func (it *bulkItem) refuse(err error) error {
	if err == nil {
		return nil
	}
	p := *problemOf(err)
	if p.Status >= http.StatusInternalServerError || p.Status == statusClientGone {
		return err
	}
	it.problem = p.at(it.pointer() + "/entity")
	return nil
}

// at is the problem of a part of a body, where the part is.
func (p Problem) at(pointer string) *Problem {
	p.Violations = slices.Clone(p.Violations)
	for i, v := range p.Violations {
		if v.Pointer != nil {
			whole := pointer + *v.Pointer
			p.Violations[i].Pointer = &whole
		}
	}
	return &p
}

// halving runs do on items behind a savepoint. Where it fails, whoever is at fault is refused, and the rest is tried again
// in halves: a few faults cost a few tries, and nobody else.
func halving(ctx context.Context, tx pgx.Tx, items []*bulkItem, do func(tx pgx.Tx, some []*bulkItem) error) error {
	if len(items) == 0 {
		return nil
	}
	err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return do(tx, items) })
	if err == nil {
		return nil
	}
	one, known := errors.AsType[*crm.ItemError](err)
	switch {
	case known:
		err = items[one.Index].refuse(one.Err)
	case len(items) == 1:
		err = items[0].refuse(err)
	case problemOf(err).Status < http.StatusInternalServerError: // somebody's fault, the halves will tell whose
		err = nil
	}
	if err != nil {
		return err
	}
	rest := open(items)
	middle := (len(rest) + 1) / 2
	if err := halving(ctx, tx, rest[:middle], do); err != nil {
		return err
	}
	return halving(ctx, tx, rest[middle:], do)
}

// faultsOf are the reasons why items were refused, as faults of the body.
func faultsOf(items []*bulkItem) schema.Violations {
	var all schema.Violations
	for _, it := range items {
		switch p := it.problem; {
		case p == nil:
		case len(p.Violations) == 0:
			all = append(all, schema.Violation{Pointer: it.pointer(), Rule: strings.TrimPrefix(p.Type, problemType("")), Message: p.Title + ". " + p.Detail})
		default:
			for _, v := range p.Violations {
				all = append(all, schema.Violation{Pointer: *v.Pointer, Rule: v.Rule, Message: v.Message})
			}
		}
	}
	return all
}

func resultsOf(items []*bulkItem) bulkResults {
	all := bulkResults{Results: make([]bulkResult, len(items))}
	done := map[access.Action]int{access.Create: http.StatusCreated, access.Update: http.StatusOK, access.Delete: http.StatusNoContent}
	for i, it := range items {
		r := &all.Results[i]
		if it.problem != nil {
			all.Refused++
			r.Status, r.Problem = it.problem.Status, it.problem
			if it.id != uuid.Nil {
				r.ID = &it.id
			}
			continue
		}
		all.Written++
		h := crm.HeadOf(it.entity)
		r.Status, r.ID, r.Version = done[it.action], &h.ID, h.Version
	}
	return all
}
