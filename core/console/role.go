package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
)

const rolesPath = "/admin/roles"

// rolesPage is the data of the page that lists roles.
type rolesPage struct {
	Items []roleRow
}

// roleRow is a role as the list shows it.
type roleRow struct {
	access.Role
	People int // who have it
}

func (c *Console) listRoles(ctx context.Context, v *visit) error {
	o, err := v.order(ctx)
	if err != nil {
		return err
	}
	users, err := c.Access.Users(ctx, v.who.Principal)
	if err != nil {
		return err
	}
	var p rolesPage
	for _, r := range o.roles {
		row := roleRow{Role: r}
		for _, u := range users {
			if slices.Contains(u.Roles, r.Code) {
				row.People++
			}
		}
		p.Items = append(p.Items, row)
	}
	return v.show("roles", p)
}

// rolePage is the data of the page of a role: what it grants, as a matrix of resources and actions.
type rolePage struct {
	access.Role
	Path    string
	New     bool
	CanEdit bool
	Bases   []option // roles that a new one may begin as
	Inputs  []input
	Actions []option
	Blocks  []matrixBlock
	Rules   []ruleCount
	Faults  []string
	InUse   bool // deleting it was refused
}

// matrixBlock is a part of the matrix.
type matrixBlock struct {
	Key  string
	Rows []matrixRow
}

type matrixRow struct {
	Label string
	Cells []matrixCell
}

// matrixCell is how far a role may do something: a choice of scopes, or yes and no where rows have no owner.
type matrixCell struct {
	Name    string // "" where the resource lacks the action
	Label   string
	Scopes  []option // nil: a check
	Checked bool
	Text    string // where it cannot be changed
}

// ruleCount is how many field rules a role has for a kind.
type ruleCount struct {
	Label, Link string
	Count       int
}

// matrixActions are the columns of the matrix.
func matrixActions() []access.Action {
	return []access.Action{
		access.Any, access.Read, access.Create, access.Update, access.Delete, access.Assign, access.Export, access.Import, access.Merge, access.Approve,
		access.Reveal, access.Erase, access.Run, access.Claim,
	}
}

// owned reports whether a scope narrower than the organization means something for a resource.
func (c *Console) owned(r access.Resource) bool {
	return r == access.Any || r == access.Tokens || slices.ContainsFunc(c.Access.Entities, func(e access.Entity) bool { return e.Name == r && e.Owned })
}

func (c *Console) has(r access.Resource, a access.Action) bool {
	return a == access.Any || r == access.Any || slices.Contains(c.Access.Actions(r), a)
}

func (v *visit) resourceLabel(r access.Resource) string {
	if slices.Contains(crm.Kinds(), crm.Kind(r)) {
		return v.say("kinds." + string(r))
	}
	if r == access.Any {
		return v.say("resource.any")
	}
	return v.say("resource." + string(r))
}

// roleNamed is what a role is called: by the reader's word if it is a preset that nobody renamed, which is stored in English.
func roleNamed(words, english catalogue, code, name string) string {
	if key := "preset." + code; english[key] == name {
		return words.text(key)
	}
	return name
}

func (v *visit) actionLabel(a access.Action) string {
	if a == access.Any {
		return v.say("action.any")
	}
	return v.say("action." + string(a))
}

func grantName(r access.Resource, a access.Action) string {
	return "grant." + string(r) + "." + string(a)
}

// matrix lays out what a role grants.
func (v *visit) matrix(p *rolePage) {
	for _, a := range matrixActions() {
		p.Actions = append(p.Actions, option{Value: string(a), Label: v.actionLabel(a)})
	}
	kinds := make([]access.Resource, 0, len(crm.Kinds()))
	for _, k := range crm.Kinds() {
		kinds = append(kinds, access.Resource(k))
	}
	hub := slices.DeleteFunc(v.console.Access.Resources(), func(r access.Resource) bool { return slices.Contains(kinds, r) })
	for _, b := range []struct {
		key       string
		resources []access.Resource
	}{{"role.everything", []access.Resource{access.Any}}, {"role.records", kinds}, {"role.hub", hub}} {
		block := matrixBlock{Key: b.key}
		for _, r := range b.resources {
			row := matrixRow{Label: v.resourceLabel(r)}
			for _, a := range matrixActions() {
				row.Cells = append(row.Cells, v.matrixCell(p, r, a))
			}
			block.Rows = append(block.Rows, row)
		}
		p.Blocks = append(p.Blocks, block)
	}
}

func (v *visit) matrixCell(p *rolePage, r access.Resource, a access.Action) matrixCell {
	if !v.console.has(r, a) {
		return matrixCell{}
	}
	var now access.Scope
	for _, g := range p.Grants {
		if g.Resource == r && g.Action == a {
			now = g.Scope
		}
	}
	cell := matrixCell{Name: grantName(r, a), Label: v.resourceLabel(r) + v.say("colon") + v.actionLabel(a), Checked: now != ""}
	if now != "" {
		cell.Text = v.say("scope." + string(now))
	}
	if !v.console.owned(r) {
		return cell
	}
	cell.Scopes = append(cell.Scopes, option{"", "–", now == ""})
	for _, s := range postgres.Scopes() {
		if s != "" {
			cell.Scopes = append(cell.Scopes, option{string(s), v.say("scope." + string(s)), s == now})
		}
	}
	return cell
}

// readGrants takes the matrix out of the form.
func (v *visit) readGrants() []access.Grant {
	grants := []access.Grant{}
	for _, r := range append([]access.Resource{access.Any}, v.console.Access.Resources()...) {
		for _, a := range matrixActions() {
			if scope := v.r.Form.Get(grantName(r, a)); scope != "" {
				grants = append(grants, access.Grant{Resource: r, Action: a, Scope: access.Scope(scope)})
			}
		}
	}
	return grants
}

func (c *Console) showRole(ctx context.Context, v *visit) error {
	id, err := v.id(access.ErrNotFound)
	if err != nil {
		return err
	}
	r, err := c.Access.Role(ctx, v.who.Principal, id)
	if err != nil {
		return err
	}
	return v.writeRole(ctx, &rolePage{Role: r}, nil)
}

// newRole asks for a new role, which may begin as one that is there.
func (c *Console) newRole(ctx context.Context, v *visit) error {
	p := &rolePage{New: true}
	if from := v.r.URL.Query().Get("from"); from != "" {
		id, err := uuid.Parse(from)
		if err != nil {
			return errAddress
		}
		r, err := c.Access.Role(ctx, v.who.Principal, id)
		if err != nil {
			return err
		}
		p.Grants, p.Fields = r.Grants, r.Fields
		p.Bases = []option{{Value: from}}
	}
	return v.writeRole(ctx, p, nil)
}

// writeRole shows a role, and what is wrong with what was made of it.
func (v *visit) writeRole(ctx context.Context, p *rolePage, wrong error) error {
	q, err := v.questions(wrong)
	if err != nil {
		return err
	}
	if p.New {
		o, err := v.order(ctx)
		if err != nil {
			return err
		}
		from := ""
		if len(p.Bases) > 0 {
			from = p.Bases[0].Value
		}
		p.Bases = []option{{"", v.say("role.empty"), from == ""}}
		for _, r := range o.roles {
			if r.Code != access.Admin && v.who.MayGive(r) {
				p.Bases = append(p.Bases, option{r.ID.String(), r.Name, r.ID.String() == from})
			}
		}
		p.Path, p.CanEdit = rolesPath, true
		code := q.must("code", v.say("role.code"), "text", "")
		code.Hint = v.say("role.code_hint")
		p.Inputs = []input{code, q.must("name", v.say("role.name"), "text", "")}
		v.here = rolesPath + "/new"
	} else {
		p.Path = rolesPath + "/" + p.ID.String()
		p.CanEdit = v.who.May(access.Roles, access.Update) != "" && p.Code != access.Admin && v.who.MayGive(p.Role)
		p.Inputs = []input{q.must("name", v.say("role.name"), "text", p.Name)}
		v.here = p.Path
		for _, e := range v.console.Access.Entities {
			n := 0
			for _, f := range p.Fields {
				if f.Resource == e.Name {
					n++
				}
			}
			p.Rules = append(p.Rules, ruleCount{v.resourceLabel(e.Name), p.Path + "/fields?resource=" + string(e.Name), n})
		}
	}
	v.matrix(p)
	p.Faults = q.rest()
	if p.InUse {
		return v.write(http.StatusConflict, "role", p)
	}
	return v.writeForm("role", p, wrong)
}

// addRole makes a role of the form's matrix, with the field rules of the one it began as.
func (c *Console) addRole(ctx context.Context, v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	r := access.Role{Code: strings.TrimSpace(v.r.PostFormValue("code")), Name: strings.TrimSpace(v.r.PostFormValue("name")), Grants: v.readGrants()}
	p := &rolePage{New: true}
	if from := v.r.PostFormValue("from"); from != "" {
		id, err := uuid.Parse(from)
		if err != nil {
			return errAddress
		}
		base, err := c.Access.Role(ctx, v.who.Principal, id)
		if err != nil {
			return err
		}
		r.Fields, p.Bases = base.Fields, []option{{Value: from}}
	}
	if !v.who.MayGive(r) {
		return errForbidden
	}
	p.Grants = r.Grants
	added, err := c.Access.AddRole(ctx, v.who.Principal, r)
	if err != nil {
		return v.writeRole(ctx, p, v.sayGrants(err, r))
	}
	return v.done(rolesPath+"/"+added.ID.String(), "role_added")
}

// sayGrants names the grants that are wrong by what they are, since the form does not number them.
func (v *visit) sayGrants(err error, r access.Role) error {
	vs, other := wrongIn(err)
	if other != nil {
		return other
	}
	said := slices.Clone(vs)
	for i, broken := range said {
		var n int
		if _, err := fmt.Sscanf(broken.Pointer, "/grants/%d", &n); err == nil && n < len(r.Grants) {
			g := r.Grants[n]
			said[i].Message = v.resourceLabel(g.Resource) + v.say("colon") + v.actionLabel(g.Action) + v.say("colon") + broken.Message
		}
	}
	return said
}

func (c *Console) changeRole(ctx context.Context, v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	r, err := v.givable(ctx)
	if err != nil {
		return err
	}
	r.Name, r.Grants = strings.TrimSpace(v.r.PostFormValue("name")), v.readGrants()
	if !v.who.MayGive(r) {
		return errForbidden
	}
	_, err = c.Access.ChangeRole(ctx, v.who.Principal, r.ID, func(stored *access.Role) { stored.Name, stored.Grants = r.Name, r.Grants })
	if err != nil {
		return v.writeRole(ctx, &rolePage{Role: r}, v.sayGrants(err, r))
	}
	return v.done(rolesPath+"/"+r.ID.String(), "saved")
}

// givable reads the role in the address, if the visitor may change it: it must not allow more than he may himself.
func (v *visit) givable(ctx context.Context) (access.Role, error) {
	id, err := v.id(access.ErrNotFound)
	if err != nil {
		return access.Role{}, err
	}
	r, err := v.console.Access.Role(ctx, v.who.Principal, id)
	if err == nil && !v.who.MayGive(r) {
		return r, errForbidden
	}
	return r, err
}

func (c *Console) deleteRole(ctx context.Context, v *visit) error {
	r, err := v.givable(ctx)
	if err != nil {
		return err
	}
	err = c.Access.DeleteRole(ctx, v.who.Principal, r.ID)
	if errors.Is(err, access.ErrInUse) {
		return v.writeRole(ctx, &rolePage{Role: r, InUse: true}, nil)
	}
	if err != nil {
		return err
	}
	return v.done(rolesPath, "role_deleted")
}
