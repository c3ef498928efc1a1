package console

import (
	"context"

	"github.com/google/uuid"

	"crmhub/core/access"
)

const departmentsPath = "/admin/departments"

// departmentsPage is the data of the page about the departments, which are a tree.
type departmentsPage struct {
	Items   []departmentRow
	New     []input
	CanEdit bool
}

// departmentRow is a department in the tree.
type departmentRow struct {
	access.Department
	Depth   int // 0 at the top
	People  []option
	Empty   bool // nobody and nothing is in it
	Name    input
	Above   input
	Open    bool // its form is, since it was refused
	Refused []string
}

func (c *Console) listDepartments(ctx context.Context, v *visit) error {
	return v.writeDepartments(ctx, uuid.Nil, nil)
}

// writeDepartments shows the tree, and what is wrong with a change of one of them; the nil UUID is the new one.
func (v *visit) writeDepartments(ctx context.Context, changed uuid.UUID, wrong error) error {
	q, err := v.questions(wrong)
	if err != nil {
		return err
	}
	o, err := v.order(ctx)
	if err != nil {
		return err
	}
	users, err := v.console.Access.Users(ctx, v.who.Principal)
	if err != nil {
		return err
	}
	p := departmentsPage{CanEdit: v.who.May(access.Organizations, access.Update) != ""}
	fresh := &questions{visit: v}
	depth := map[uuid.UUID]int{}
	for _, d := range o.departments {
		r := departmentRow{Department: d, Empty: true}
		above := ""
		if d.ParentID != nil {
			r.Depth, above = depth[*d.ParentID]+1, d.ParentID.String()
		}
		depth[d.ID] = r.Depth
		for _, u := range users {
			if u.DepartmentID != nil && *u.DepartmentID == d.ID {
				r.People, r.Empty = append(r.People, option{Value: u.ID.String(), Label: u.Name}), false
			}
		}
		for _, other := range o.departments {
			r.Empty = r.Empty && (other.ParentID == nil || *other.ParentID != d.ID)
		}
		ask := fresh
		if d.ID == changed && wrong != nil {
			ask, r.Open = q, true
		}
		r.Name, r.Above = ask.must("name", v.say("department.name"), "text", d.Name), ask.choose("parent_id", v.say("department.above"), above, o.departmentOptions(v.say("department.top")))
		r.Name.ID, r.Above.ID = "name-"+d.ID.String(), "parent-"+d.ID.String()
		if r.Open {
			r.Refused = q.rest()
		}
		p.Items = append(p.Items, r)
	}
	ask := fresh
	if changed == uuid.Nil && wrong != nil {
		ask = q
	}
	p.New = []input{
		ask.must("name", v.say("department.name"), "text", ""), ask.choose("parent_id", v.say("department.above"), "", o.departmentOptions(v.say("department.top"))),
	}
	v.here = departmentsPath
	return v.writeForm("departments", p, wrong)
}

// readDepartment takes what the form says of a department.
func (v *visit) readDepartment(d *access.Department) error {
	d.Name, d.ParentID = v.r.PostFormValue("name"), nil
	if s := v.r.PostFormValue("parent_id"); s != "" {
		id, err := uuid.Parse(s)
		if err != nil {
			return errAddress
		}
		d.ParentID = &id
	}
	return nil
}

func (c *Console) addDepartment(ctx context.Context, v *visit) error {
	var d access.Department
	err := v.readDepartment(&d)
	if err == nil {
		_, err = c.Access.AddDepartment(ctx, v.who.Principal, d)
	}
	return v.departmentDone(ctx, uuid.Nil, err, "department_added")
}

func (c *Console) changeDepartment(ctx context.Context, v *visit) error {
	id, err := v.id(access.ErrNotFound)
	if err != nil {
		return err
	}
	var wanted access.Department
	err = v.readDepartment(&wanted)
	if err == nil {
		_, err = c.Access.ChangeDepartment(ctx, v.who.Principal, id, func(d *access.Department) { d.Name, d.ParentID = wanted.Name, wanted.ParentID })
	}
	return v.departmentDone(ctx, id, err, "saved")
}

func (c *Console) deleteDepartment(ctx context.Context, v *visit) error {
	id, err := v.id(access.ErrNotFound)
	if err != nil {
		return err
	}
	if err := c.Access.DeleteDepartment(ctx, v.who.Principal, id); err != nil {
		return err
	}
	return v.done(departmentsPath, "department_deleted")
}

func (v *visit) departmentDone(ctx context.Context, id uuid.UUID, err error, notice string) error {
	if err != nil {
		return v.writeDepartments(ctx, id, err)
	}
	return v.done(departmentsPath, notice)
}
