package console

import (
	"context"
	"slices"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// roleFieldsPage is the data of the page of a role's rules for the fields of one kind.
type roleFieldsPage struct {
	Role    access.Role
	Path    string
	Kind    crm.Kind
	Kinds   []option
	Rows    []roleField
	CanEdit bool
	Faults  []string
}

// roleField is a field, and what somebody with the role may do with it.
type roleField struct {
	Name, Label string
	Options     []option
	Now         access.FieldAccess
}

func (c *Console) showRoleFields(ctx context.Context, v *visit) error {
	id, err := v.id(access.ErrNotFound)
	if err != nil {
		return err
	}
	r, err := c.Access.Role(ctx, v.who.Principal, id)
	if err != nil {
		return err
	}
	e, err := c.ruled(v.r.URL.Query().Get("resource"))
	if err != nil {
		return err
	}
	return v.writeRoleFields(r, e, nil)
}

// ruled is a kind that field rules may name.
func (c *Console) ruled(name string) (access.Entity, error) {
	i := slices.IndexFunc(c.Access.Entities, func(e access.Entity) bool { return string(e.Name) == name })
	if i < 0 {
		return access.Entity{}, errAddress
	}
	return c.Access.Entities[i], nil
}

func (v *visit) writeRoleFields(r access.Role, e access.Entity, wrong error) error {
	q, err := v.questions(wrong)
	if err != nil {
		return err
	}
	p := roleFieldsPage{
		Role: r, Path: rolesPath + "/" + r.ID.String(), Kind: crm.Kind(e.Name),
		CanEdit: v.who.May(access.Roles, access.Update) != "" && r.Code != access.Admin && v.who.MayGive(r),
	}
	for _, k := range crm.Kinds() {
		p.Kinds = append(p.Kinds, option{string(k), v.say("kinds." + string(k)), k == p.Kind})
	}
	for _, name := range ruledFields(e) {
		f := roleField{Name: name, Label: v.label(string(e.Name) + "." + name), Now: access.FieldEdit}
		for _, rule := range r.Fields {
			if rule.Resource == e.Name && rule.Field == name {
				f.Now = rule.Access
			}
		}
		for _, a := range []access.FieldAccess{access.FieldEdit, access.FieldRead, access.FieldMasked, access.FieldHidden} {
			if a != access.FieldMasked || e.Fields[name] || f.Now == a {
				f.Options = append(f.Options, option{string(a), v.say("field_access." + string(a)), a == f.Now})
			}
		}
		p.Rows = append(p.Rows, f)
	}
	p.Faults = q.rest()
	v.here = p.Path
	return v.writeForm("role-fields", p, wrong)
}

// ruledFields are the fields of a kind that rules may name, in the order that they have in its pages, its files last.
func ruledFields(e access.Entity) []string {
	var names []string
	for _, f := range crm.Fields(crm.Kind(e.Name)) {
		if _, ok := e.Fields[f.Name]; ok {
			names = append(names, f.Name)
		}
	}
	for name := range e.Fields {
		if !slices.Contains(names, name) {
			names = append(names, name) // attachments is the only one
		}
	}
	return names
}

// changeRoleFields replaces a role's rules for the fields of one kind.
func (c *Console) changeRoleFields(ctx context.Context, v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	r, err := v.givable(ctx)
	if err != nil {
		return err
	}
	e, err := c.ruled(v.r.PostFormValue("resource"))
	if err != nil {
		return err
	}
	r.Fields = slices.DeleteFunc(slices.Clone(r.Fields), func(f access.FieldRule) bool { return f.Resource == e.Name })
	for _, name := range ruledFields(e) {
		if a := access.FieldAccess(v.r.PostFormValue("field." + name)); a != "" && a != access.FieldEdit {
			r.Fields = append(r.Fields, access.FieldRule{Resource: e.Name, Field: name, Access: a})
		}
	}
	if !v.who.MayGive(r) {
		return errForbidden
	}
	_, err = c.Access.ChangeRole(ctx, v.who.Principal, r.ID, func(stored *access.Role) { stored.Fields = r.Fields })
	if err != nil {
		return v.writeRoleFields(r, e, err)
	}
	return v.done(rolesPath+"/"+r.ID.String()+"/fields?resource="+string(e.Name), "saved")
}
