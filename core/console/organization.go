package console

import (
	"context"
	"errors"
	"net/http"

	"crmhub/core/access"
	"crmhub/core/schema"
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
	return v.writeOrganization(ctx, http.StatusOK, nil)
}

func (v *visit) writeOrganization(ctx context.Context, status int, wrong error) error {
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
	return v.write(status, "organization", p)
}

func (c *Console) changeOrganization(ctx context.Context, v *visit) error {
	err := c.Access.RenameOrganization(ctx, v.who.Principal, v.r.PostFormValue("name"))
	if vs := schema.Violations(nil); errors.As(err, &vs) {
		return v.writeOrganization(ctx, http.StatusUnprocessableEntity, vs)
	}
	if err != nil {
		return err
	}
	return v.done(organizationPath, "saved")
}
