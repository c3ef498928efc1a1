package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/listview"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// View is a saved view as the API shows it.
type View struct {
	ID        uuid.UUID         `json:"id"`
	Entity    string            `json:"entity"`
	Name      string            `json:"name"`
	OwnerID   uuid.UUID         `json:"owner_id" doc:"Who changes it."`
	Share     ViewShare         `json:"share" doc:"With whom it is shared; nobody where it is empty."`
	Filter    map[string]string `json:"filter" doc:"As in lists. Besides values: me for who looks, none for nobody, days for instants, in the time zone of who looks."`
	Query     string            `json:"q,omitempty"`
	Sort      string            `json:"sort,omitempty"`
	Columns   []string          `json:"columns,omitempty" doc:"Absent: those that the reader chose."`
	IsDefault bool              `json:"is_default" doc:"The caller's list begins with it."`
	Dropped   []string          `json:"dropped,omitempty" doc:"Fields that the view asks for and the caller may not see: they are left out of filter, sort and columns."`
	List      string            `json:"list" format:"uri-reference" doc:"What it finds for the caller now, days taken in UTC."`
	CreatedAt time.Time         `json:"created_at"`
	UpdatedAt time.Time         `json:"updated_at"`
}

// ViewShare is with whom a view is shared.
type ViewShare struct {
	DepartmentID *uuid.UUID `json:"department_id,omitempty" doc:"Those in this department, which is the owner's."`
	TeamID       *uuid.UUID `json:"team_id,omitempty" doc:"Those in this team, of which the owner is one."`
	Everybody    bool       `json:"everybody,omitempty" doc:"Everybody who reads the entity. Needs the permission view:create."`
}

type viewShareInput struct {
	DepartmentID string `json:"department_id,omitempty" format:"uuid" doc:"Those in this department, which must be one's own."`
	TeamID       string `json:"team_id,omitempty" format:"uuid" doc:"Those in this team, of which one must be."`
	Everybody    bool   `json:"everybody,omitempty" doc:"Everybody who reads the entity. Needs the permission view:create."`
}

type viewInput struct {
	Entity    string            `json:"entity" doc:"What it lists." example:"order"`
	Name      string            `json:"name" minLength:"1" maxLength:"100" doc:"Unique among one's views of the entity."`
	Share     viewShareInput    `json:"share,omitzero" doc:"With whom it is shared; nobody when left out."`
	Filter    map[string]string `json:"filter,omitempty" doc:"As in lists: fields, with an operator in brackets if it is not equality. Besides values: me for who looks, none for nobody, days for instants."`
	Query     string            `json:"q,omitempty" maxLength:"1000" doc:"As in lists."`
	Sort      string            `json:"sort,omitempty" doc:"A field, after a minus from the highest down; the newest change first when left out."`
	Columns   []string          `json:"columns,omitempty" maxItems:"100" doc:"Fields with one value, custom ones as ext.name; those that the reader chose when left out."`
	IsDefault bool              `json:"is_default,omitempty" doc:"One's list begins with it."`
}

type viewPatch struct {
	Name      string            `json:"name,omitempty" minLength:"1" maxLength:"100" doc:"As when created."`
	Share     viewShareInput    `json:"share,omitzero" doc:"As when created, as a whole; {} is nobody."`
	Filter    map[string]string `json:"filter,omitempty" nullable:"true" doc:"As when created, as a whole; null is none."`
	Query     *string           `json:"q,omitempty" nullable:"true" maxLength:"1000" doc:"As when created; null is none."`
	Sort      *string           `json:"sort,omitempty" nullable:"true" doc:"As when created; null is the newest change first."`
	Columns   []string          `json:"columns,omitempty" nullable:"true" maxItems:"100" doc:"As when created; null are those that the reader chose."`
	IsDefault bool              `json:"is_default,omitempty" doc:"The only part that who does not own the view changes, for himself."`
}

func (s *server) listViews() operation {
	return operation{
		id: "list-views", needs: signedIn(), tag: "entities", summary: "List saved views",
		description: "One's own, and those that others shared, of entities that one may read; at once.",
		parameters:  []*huma.Param{choiceParameter("entity", "Those of this entity.", crm.KindNames())},
		status:      http.StatusOK, result: jsonBody(s.document, list[View]{Items: []View{viewExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			kind := c.choiceIn("entity", crm.KindNames(), &faults)
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			views, err := postgres.Get(ctx, s.DB, c.who.Principal, func(tx pgx.Tx) ([]listview.View, error) { return listview.All(ctx, tx, c.who, crm.Kind(kind)) })
			if err != nil {
				return answer{}, err
			}
			shown := make([]View, len(views))
			for i, v := range views {
				if shown[i], err = c.showView(v); err != nil {
					return answer{}, err
				}
			}
			return respond(http.StatusOK, page(c, shown, ""))
		},
	}
}

func (s *server) addView() operation {
	return operation{
		id: "add-view", needs: signedIn(), tag: "entities", summary: "Save a view",
		description: "A list's filter, order and columns under a name. Whoever it is shared with sees in it what he may see, no more: fields that he may not see are left out for him. " +
			"Needs the permission to read the entity; to share with everybody, view:create.",
		body: jsonBody(s.document, viewInput{
			Entity: "order", Name: "My large orders", Filter: map[string]string{"owner_id": "me", "total[ge]": "10000"}, Sort: "-total", Columns: []string{"number", "customer_id", "total"},
		}),
		status: http.StatusCreated, result: jsonBody(s.document, viewExample()), located: true, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[viewInput](c)
			if err != nil {
				return answer{}, err
			}
			kind, err := crm.ParseKind(in.Entity)
			if err != nil {
				return answer{}, schema.Violations{{Pointer: "/entity", Rule: "enum", Message: "must be an entity: " + strings.Join(crm.KindNames(), ", ")}}
			}
			if err := c.permit(kind, access.Read); err != nil {
				return answer{}, err
			}
			fresh := listview.New{Kind: kind, Name: in.Name, List: listview.List{Filter: in.Filter, Text: in.Query, Sort: in.Sort, Columns: in.Columns}}
			if fresh.Share, err = c.share(in.Share); err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				added, err := listview.Add(ctx, tx, c.who, fresh)
				if err == nil && in.IsDefault {
					added, err = listview.SetDefault(ctx, tx, c.who, added.ID, true)
				}
				if err != nil {
					return answer{}, err
				}
				a, err := c.viewAnswer(http.StatusCreated, added)
				a.Location = prefix + "/views/" + added.ID.String()
				return a, err
			})
		},
	}
}

func (s *server) getView() operation {
	return operation{
		id: "get-view", needs: signedIn(), tag: "entities", summary: "Get a saved view",
		status: http.StatusOK, result: jsonBody(s.document, viewExample()),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			found, err := postgres.Get(ctx, s.DB, c.who.Principal, func(tx pgx.Tx) (listview.View, error) { return listview.Get(ctx, tx, c.who, id) })
			if err != nil {
				return answer{}, err
			}
			return c.viewAnswer(http.StatusOK, found)
		},
	}
}

func (s *server) patchView() operation {
	return operation{
		id: "update-view", needs: signedIn(), tag: "entities", summary: "Change a saved view",
		description: "A JSON merge patch (RFC 7396) whose parts replace the view's parts as a whole. Views have no versions: the last change wins.",
		body:        mergePatchBody(s.document, viewPatch{Name: "Large orders", Filter: map[string]string{"total[ge]": "20000"}, IsDefault: true}),
		status:      http.StatusOK, result: jsonBody(s.document, viewExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, patch, in, err := patchOnID[viewPatch](c)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				v, err := listview.Get(ctx, tx, c.who, id)
				if err != nil {
					return answer{}, err
				}
				change, err := c.viewChange(v, patch, in)
				if err != nil {
					return answer{}, err
				}
				if change != (listview.Change{}) {
					if v, err = listview.Update(ctx, tx, c.who, id, change); err != nil {
						return answer{}, err
					}
				}
				if has(patch, "is_default") {
					if v, err = listview.SetDefault(ctx, tx, c.who, id, in.IsDefault); err != nil {
						return answer{}, err
					}
				}
				return c.viewAnswer(http.StatusOK, v)
			})
		},
	}
}

func (s *server) deleteView() operation {
	return operation{
		id: "delete-view", needs: signedIn(), tag: "entities", summary: "Delete a saved view",
		description: "One's own, or one of everybody's with the permission view:delete.",
		status:      http.StatusNoContent, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				return answer{Status: http.StatusNoContent}, listview.Delete(ctx, tx, c.who, id)
			})
		},
	}
}

// viewChange is what a patch makes of a view. What a view asks of fields that its owner sees no longer is gone with the first
// change of what it lists.
func (c *call) viewChange(v listview.View, patch map[string]any, in viewPatch) (change listview.Change, err error) {
	if has(patch, "name") {
		change.Name = &in.Name
	}
	if has(patch, "share") {
		share, err := c.share(in.Share)
		if err != nil {
			return change, err
		}
		change.Share = &share
	}
	l, listed := v.List, false
	if has(patch, "filter") {
		l.Filter, listed = in.Filter, true
	}
	if has(patch, "q") {
		l.Text, listed = textOr(in.Query), true
	}
	if has(patch, "sort") {
		l.Sort, listed = textOr(in.Sort), true
	}
	if has(patch, "columns") {
		l.Columns, listed = in.Columns, true
	}
	if listed {
		change.List = &l
	}
	return change, nil
}

// share reads with whom a view is to be shared.
func (c *call) share(in viewShareInput) (out listview.Share, err error) {
	if out.DepartmentID, err = parseOptionalID("/share/department_id", in.DepartmentID); err != nil {
		return out, err
	}
	if out.TeamID, err = parseOptionalID("/share/team_id", in.TeamID); err != nil {
		return out, err
	}
	if out.Everybody = in.Everybody; in.Everybody {
		return out, may(access.Views, access.Create).check(c.who)
	}
	return out, nil
}

func textOr(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (c *call) viewAnswer(status int, v listview.View) (answer, error) {
	shown, err := c.showView(v)
	if err != nil {
		return answer{}, err
	}
	return respond(status, shown)
}

// showView shows a view, with where its list is for the caller.
func (c *call) showView(v listview.View) (View, error) {
	shown := View{
		ID: v.ID, Entity: string(v.Kind), Name: v.Name, OwnerID: v.OwnerID, Share: ViewShare(v.Share), Filter: v.List.Filter, Query: v.List.Text, Sort: v.List.Sort,
		Columns: v.List.Columns, IsDefault: v.IsDefault, Dropped: v.Dropped, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
	q, err := v.List.Query(v.Kind, c.who, time.UTC)
	if err != nil {
		return shown, err
	}
	values := url.Values{}
	for _, condition := range q.Filter {
		values.Set(condition.Address())
	}
	for name, value := range map[string]string{textParameter: v.List.Text, sortParameter: v.List.Sort} {
		if value != "" {
			values.Set(name, value)
		}
	}
	shown.List = prefix + "/" + slug(v.Kind.Plural())
	if len(values) > 0 {
		shown.List += "?" + values.Encode()
	}
	return shown, nil
}

func viewExample() View {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return View{
		ID: uuid.MustParse(exampleID), Entity: "order", Name: "Large orders", OwnerID: uuid.MustParse(exampleID), Share: ViewShare{Everybody: true},
		Filter: map[string]string{"total[ge]": "10000"}, Sort: "-total", Columns: []string{"number", "customer_id", "total"},
		List: prefix + "/orders?sort=-total&total%5Bge%5D=10000", CreatedAt: at, UpdatedAt: at,
	}
}
