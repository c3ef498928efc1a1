package console

import (
	"context"

	"crmhub/core/access"
)

const organizationPath = "/admin/organization"

// organizationPage is the data of the page of the organization's settings.
type organizationPage struct {
	access.Organization
	Name     input
	CanEdit  bool
	OpenID   bool
	Callback string
	Faults   []string
}

func (c *Console) showOrganization(ctx context.Context, v *visit) error {
	return v.writeOrganization(ctx, nil)
}

func (v *visit) writeOrganization(ctx context.Context, wrong error) error {
	q, err := v.questions(wrong)
	if err != nil {
		return err
	}
	o, err := v.console.Access.Organization(ctx, v.who.Organization)
	if err != nil {
		return err
	}
	p := organizationPage{Organization: o, OpenID: v.console.OpenID != nil, Callback: OpenIDCallback, CanEdit: v.who.May(access.Organizations, access.Update) != ""}
	p.Name = q.must("name", v.say("organization.name"), "text", o.Name)
	p.Faults = q.rest()
	v.here = organizationPath
	return v.writeForm("organization", p, wrong)
}

func (c *Console) changeOrganization(ctx context.Context, v *visit) error {
	err := c.Access.RenameOrganization(ctx, v.who.Principal, v.r.PostFormValue("name"))
	if err != nil {
		return v.writeOrganization(ctx, err)
	}
	return v.done(organizationPath, "saved")
}
