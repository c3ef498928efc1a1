package listview

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// View is a list under a name, as one reader has it.
type View struct {
	ID        uuid.UUID
	Kind      crm.Kind
	Name      string // unique among its owner's of the kind, in any case
	OwnerID   uuid.UUID
	Share     Share
	List      List
	Dropped   []string // fields that it asks for and its reader does not see: nothing of List is about them
	IsDefault bool     // the reader's list of the kind begins with it
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Share is with whom a view is shared: nobody, or one of these.
type Share struct {
	DepartmentID *uuid.UUID // those who are in it
	TeamID       *uuid.UUID
	Everybody    bool
}

// List is what a list shows.
type List struct {
	Filter  map[string]string // as [Conditions] reads it
	Text    string
	Sort    string   // a field, with "-" before it from the highest down; "" is the newest change first
	Columns []string // none: those that the reader chose
}

// New is a view to be added.
type New struct {
	Kind  crm.Kind
	Name  string
	Share Share
	List  List
}

// Change is what becomes of a view; nil leaves a part as it is.
type Change struct {
	Name  *string
	Share *Share
	List  *List
}

// The errors of views.
var (
	ErrNotFound = postgres.NotFound("no such view")
	// ErrNotYours says that only the owner of a view changes it.
	ErrNotYours = errors.New("the view is another's")
)

const (
	maxName    = 100
	maxFilter  = 50
	maxColumns = 100
	maxText    = 1000 // characters of a value
)

// Own reports whether somebody owns the view.
func (v View) Own(who access.Identity) bool { return v.OwnerID == who.UserID }

// Shared reports whether others see it, too.
func (s Share) Shared() bool { return s.Everybody || s.DepartmentID != nil || s.TeamID != nil }

// Values are the list as its address says it.
func (l List) Values() url.Values {
	values := url.Values{}
	for name, value := range l.Filter {
		values.Set(name, value)
	}
	for name, value := range map[string]string{"q": l.Text, "sort": l.Sort} {
		if value != "" {
			values.Set(name, value)
		}
	}
	return values
}

// Query is what the list asks of the store, for one who looks.
func (l List) Query(k crm.Kind, who access.Identity, zone *time.Location) (q crm.Query, err error) {
	q = crm.Query{Text: l.Text, Blind: who.Blind(access.Resource(k))}
	if q.Filter, err = Conditions(l.Filter, crm.Fields(k), who.UserID, zone); err != nil {
		return q, err
	}
	if l.Sort != "" {
		field, desc := strings.CutPrefix(l.Sort, "-")
		q.Sort = []crm.Sort{{Field: field, Desc: desc}}
	}
	return q, nil
}

// normalize makes of what was given what is kept.
func (l *List) normalize() {
	l.Text = strings.TrimSpace(l.Text)
	l.Filter = maps.Clone(l.Filter)
	if l.Filter == nil {
		l.Filter = map[string]string{}
	}
	l.Columns = append([]string{}, l.Columns...)
}

// check says what is wrong with a list that somebody wants to keep.
func (l List) check(k crm.Kind, who access.Identity) (vs schema.Violations) {
	if len(l.Filter) > maxFilter {
		return schema.Violations{{Pointer: "/filter", Rule: "maxItems", Message: fmt.Sprintf("must be at most %d", maxFilter)}}
	}
	for _, name := range slices.Sorted(maps.Keys(l.Filter)) {
		value := l.Filter[name]
		if !fits(value, maxText) || !fits(name, maxText) {
			vs = append(vs, schema.Violation{Pointer: "/filter/" + schema.EscapePointer(name), Rule: "maxLength", Message: fmt.Sprintf("must be a text of at most %d characters", maxText)})
		}
	}
	if !fits(l.Text, maxText) {
		vs = append(vs, schema.Violation{Pointer: "/q", Rule: "maxLength", Message: fmt.Sprintf("must be a text of at most %d characters", maxText)})
	}
	q, err := l.Query(k, who, time.UTC)
	if err == nil {
		err = crm.CheckQuery(k, q)
	}
	if broken, ok := errors.AsType[schema.Violations](err); ok {
		vs = append(vs, l.named(broken)...)
	}
	return append(vs, l.checkColumns(k, who)...)
}

// named says of what the store found wrong with a query which part of the list it came from.
func (l List) named(vs schema.Violations) schema.Violations {
	names := slices.Sorted(maps.Keys(l.Filter)) // the order of Conditions
	for i, v := range vs {
		step := strings.Split(v.Pointer+"//", "/")
		switch at, err := strconv.Atoi(step[2]); {
		case step[1] == "filter" && err == nil && at < len(names):
			vs[i].Pointer = "/filter/" + schema.EscapePointer(names[at])
		case step[1] == "sort":
			vs[i].Pointer = "/sort"
		}
	}
	return vs
}

func (l List) checkColumns(k crm.Kind, who access.Identity) (vs schema.Violations) {
	if len(l.Columns) > maxColumns {
		return schema.Violations{{Pointer: "/columns", Rule: "maxItems", Message: fmt.Sprintf("must be at most %d", maxColumns)}}
	}
	for i, name := range l.Columns {
		at := "/columns/" + strconv.Itoa(i)
		switch {
		case !isColumn(k, name):
			vs = append(vs, schema.Violation{Pointer: at, Rule: "field", Message: "must be a field with one value"})
		case hides(who, k, name):
			vs = append(vs, schema.Violation{Pointer: at, Rule: "permission", Message: "must be a field that you may see"})
		case slices.Contains(l.Columns[:i], name):
			vs = append(vs, schema.Violation{Pointer: at, Rule: "unique", Message: "is there twice"})
		}
	}
	return vs
}

// extension begins the names of custom fields.
const extension = "ext."

func isColumn(k crm.Kind, name string) bool {
	if custom, ok := strings.CutPrefix(name, extension); ok {
		return custom != "" && fits(custom, maxName)
	}
	return slices.ContainsFunc(crm.Fields(k), func(f crm.Field) bool {
		return f.Name == name && f.Type != "list" && f.Type != "document" && f.Type != "object"
	})
}

// hides reports whether somebody does not see a field, custom ones by the rule for all of them.
func hides(who access.Identity, k crm.Kind, name string) bool {
	if strings.HasPrefix(name, extension) {
		name = strings.TrimSuffix(extension, ".")
	}
	return who.Hides(access.Resource(k), name)
}

// as takes from a view what its reader may not ask for.
func (v View) as(who access.Identity) View {
	drop := func(name string) bool {
		if name == "" || !hides(who, v.Kind, name) {
			return false
		}
		if !slices.Contains(v.Dropped, name) {
			v.Dropped = append(v.Dropped, name)
		}
		return true
	}
	maps.DeleteFunc(v.List.Filter, func(name, _ string) bool {
		field, _, _ := strings.Cut(name, "[")
		return drop(field)
	})
	if drop(strings.TrimPrefix(v.List.Sort, "-")) {
		v.List.Sort = ""
	}
	v.List.Columns = slices.DeleteFunc(v.List.Columns, drop)
	slices.Sort(v.Dropped)
	return v
}

func fits(s string, most int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && !strings.ContainsRune(s, 0)
}
