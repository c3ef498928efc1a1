package main

import (
	"context"
	"fmt"

	"crmhub/core/access"
)

type organizationCommand struct {
	Add  organizationAdd  `cmd:"" help:"Make an organization and its first administrator, whose password is shown once."`
	List organizationList `cmd:"" help:"List organizations."`
}

type organizationAdd struct {
	Code     string `arg:"" help:"Lower-case letters, digits and -; part of the names of its topics, for ever."`
	Name     string `required:"" help:"What its papers call it." placeholder:"TEXT"`
	Currency string `required:"" help:"What its books are kept in, such as CNY, for ever." placeholder:"CODE"`
	Login    string `required:"" help:"Of its first administrator; nobody else in the installation has it." placeholder:"LOGIN"`
}

// Run makes the organization and prints the password.
func (c *organizationAdd) Run(ctx context.Context, s *session, out output) error {
	made, err := s.access.Found(ctx, access.Organization{Code: c.Code, Name: c.Name, BaseCurrency: c.Currency}, c.Login)
	if err != nil {
		return err
	}
	fmt.Fprintf(out.stderr, "Organization %s is made. Sign in as %s with this password (shown once):\n", made.Organization.Code, made.Login)
	fmt.Fprintln(out.stdout, made.Password.Reveal())
	return nil
}

type organizationList struct {
	JSON bool `help:"Print each organization as a line of JSON."`
}

// Run prints all organizations.
func (c *organizationList) Run(ctx context.Context, s *session, out output) error {
	all, err := s.access.Organizations(ctx)
	if err != nil {
		return err
	}
	r := newRows(out.stdout, c.JSON, "CODE\tNAME\tCURRENCY")
	for _, o := range all {
		row := struct {
			Code         string `json:"code"`
			Name         string `json:"name"`
			BaseCurrency string `json:"base_currency"`
		}{o.Code, o.Name, o.BaseCurrency}
		if err := r.add(row, "%s\t%s\t%s", o.Code, o.Name, o.BaseCurrency); err != nil {
			return err
		}
	}
	return r.end()
}
