package console

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/listview"
	"crmhub/core/schema"
)

const (
	viewParameter    = "view"    // which saved view a list's address began as
	columnsParameter = "columns" // those of a saved view: name/status/total
	noView           = "all"
)

// savedViews are the views of a list that its reader has, and what he may do with the one before him.
type savedViews struct {
	Tabs    []viewTab
	Now     listview.View // the zero View: none
	Default bool          // the bare list leads to a view
	Own     bool          // of Now, the reader is the owner
	Delete  bool
	Changed bool // the list asks for something else than Now
	Offer   bool // there is something that could be saved
	Name    string
	Shares  []option
	Faults  []string
}

// viewTab leads to a view.
type viewTab struct {
	Name, Link      string
	Current, Shared bool
}

// savedViews fills in the views of a list. begins is where the list begins that was asked for nothing, "" if it is asked for something.
func (v *visit) savedViews(ctx context.Context, tx pgx.Tx, l *listPage) (begins string, err error) {
	all, err := listview.All(ctx, tx, v.who, l.View.kind)
	if err != nil {
		return "", err
	}
	s := &l.Saved
	now := l.asked.Get(viewParameter)
	for _, saved := range all {
		tab := viewTab{Name: saved.Name, Link: l.addressOf(saved), Current: saved.ID.String() == now, Shared: saved.Share.Shared()}
		if s.Default = s.Default || saved.IsDefault; saved.IsDefault && v.r.Method == http.MethodGet && v.r.URL.RawQuery == "" {
			return tab.Link, nil
		}
		if tab.Current {
			s.Now, s.Own, s.Delete = saved, saved.Own(v.who), saved.Removable(v.who)
		}
		s.Tabs = append(s.Tabs, tab)
	}
	if len(s.Tabs) > 0 {
		s.Tabs = slices.Insert(s.Tabs, 0, viewTab{Name: v.say("view.everything"), Link: l.Cleared(), Current: s.Now.ID == uuid.Nil && l.conditions() == 0})
	}
	here := maps.Clone(l.asked)
	here.Del("after")
	s.Changed = s.Now.ID != uuid.Nil && l.Path()+"?"+here.Encode() != l.addressOf(s.Now)
	s.Offer = !l.Bin && (len(s.Tabs) > 0 || l.conditions() > 0 || l.asked.Has("sort"))
	if s.Name == "" && s.Own {
		s.Name = s.Now.Name
	}
	s.Shares, err = v.shares(ctx, tx, s)
	return "", err
}

// addressOf is the list as a view shows it. The address says all of it, so that it can be narrowed further.
func (l *listPage) addressOf(saved listview.View) string {
	q := saved.List.Values()
	q.Set(viewParameter, saved.ID.String())
	if len(saved.List.Columns) > 0 {
		q.Set(columnsParameter, strings.Join(saved.List.Columns, "/"))
	}
	return l.Path() + "?" + q.Encode()
}

// shares are with whom the reader may share a view.
func (v *visit) shares(ctx context.Context, tx pgx.Tx, s *savedViews) ([]option, error) {
	chosen := ""
	if s.Own {
		switch share := s.Now.Share; {
		case share.Everybody:
			chosen = "everybody"
		case share.DepartmentID != nil:
			chosen = "department:" + share.DepartmentID.String()
		case share.TeamID != nil:
			chosen = "team:" + share.TeamID.String()
		}
	}
	if given := v.r.PostFormValue("share"); given != "" {
		chosen = given
	}
	options := []option{{Label: v.say("view.private")}}
	circles, err := listview.Circles(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, c := range circles {
		o := option{Value: "department:" + c.ID.String(), Label: v.say("view.department", c.Name)}
		if c.Team {
			o = option{Value: "team:" + c.ID.String(), Label: v.say("view.team", c.Name)}
		}
		options = append(options, o)
	}
	if v.who.May(access.Views, access.Create) != "" {
		options = append(options, option{Value: "everybody", Label: v.say("view.everybody")})
	}
	return chosenOf(options, chosen), nil
}

// viewsPath is where the views of a kind's list are saved: not below the list, where records are.
func viewsPath(w view) string { return "/views" + w.path() }

// ViewsPath is where the list's views are saved.
func (l *listPage) ViewsPath() string { return viewsPath(l.View) }

// savedRoutes are what is done with the views of a kind's list.
func (c *Console) savedRoutes(w view) map[string]page {
	reads, at := needs(w.resource(), access.Read), viewsPath(w)
	return map[string]page{
		"POST " + at:                   {reads, c.saveView(w)},
		"POST " + at + "/{id}":         {reads, c.saveView(w)},
		"POST " + at + "/{id}/default": {reads, c.defaultView(w)},
		"POST " + at + "/{id}/delete":  {reads, c.deleteView(w)},
	}
}

// saveView keeps what a list was asked for under a name: as a view of its own, or of the one in the address.
func (c *Console) saveView(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		if err := v.r.ParseForm(); err != nil {
			return errAddress
		}
		asked, err := url.ParseQuery(v.r.PostFormValue("query"))
		if err != nil {
			return errAddress
		}
		l := listPage{View: w, asked: firsts(asked)}
		kept := listview.List{Filter: filterIn(l.asked), Text: l.asked.Get("q"), Sort: l.asked.Get("sort")}
		if shown := v.shownColumns(w, l.asked); !slices.Equal(shown, w.columns) {
			kept.Columns = shown
		}
		share, err := v.chosenShare()
		if err != nil {
			return err
		}
		name := v.r.PostFormValue("name")
		var saved listview.View
		err = v.as(ctx, func(tx pgx.Tx) (err error) {
			if v.r.PathValue("id") == "" {
				saved, err = listview.Add(ctx, tx, v.who, listview.New{Kind: w.kind, Name: name, Share: share, List: kept})
				return err
			}
			id, err := v.id(listview.ErrNotFound)
			if err != nil {
				return err
			}
			saved, err = listview.Update(ctx, tx, v.who, id, listview.Change{Name: &name, Share: &share, List: &kept})
			return err
		})
		if vs := schema.Violations(nil); errors.As(err, &vs) {
			l.Saved.Name = name
			for _, broken := range vs {
				l.Saved.Faults = append(l.Saved.Faults, v.violation(broken, nil))
			}
			v.here = l.Path()
			return c.writeList(ctx, v, http.StatusUnprocessableEntity, &l)
		}
		if err != nil {
			return err
		}
		return v.done(l.addressOf(saved), "view_saved")
	}
}

// chosenShare is with whom a form says a view is to be shared.
func (v *visit) chosenShare() (share listview.Share, err error) {
	kind, text, _ := strings.Cut(v.r.PostFormValue("share"), ":")
	switch kind {
	case "":
		return share, nil
	case "everybody":
		if share.Everybody = true; v.who.May(access.Views, access.Create) == "" {
			return share, errForbidden
		}
		return share, nil
	}
	id, err := uuid.Parse(text)
	switch {
	case err != nil:
		return share, errAddress
	case kind == "department":
		share.DepartmentID = &id
	case kind == "team":
		share.TeamID = &id
	default:
		return share, errAddress
	}
	return share, nil
}

// defaultView lets the reader's list begin with a view, or with everything again.
func (c *Console) defaultView(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		is, err := v.choice("is", "true", "false")
		if err != nil {
			return err
		}
		id, err := v.id(listview.ErrNotFound)
		if err != nil {
			return err
		}
		saved, err := get(ctx, v, func(tx pgx.Tx) (listview.View, error) { return listview.SetDefault(ctx, tx, v.who, id, is == "true") })
		if err != nil {
			return err
		}
		return v.done((&listPage{View: w}).addressOf(saved), "saved")
	}
}

func (c *Console) deleteView(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		id, err := v.id(listview.ErrNotFound)
		if err != nil {
			return err
		}
		if err := v.as(ctx, func(tx pgx.Tx) error { return listview.Delete(ctx, tx, v.who, id) }); err != nil {
			return err
		}
		return v.done(w.path(), "view_deleted")
	}
}
