package main

import (
	"context"
	"crypto/rand"
	"fmt"
)

type passwordCommand struct {
	Login string `arg:"" default:"admin" help:"Whose password."`
	Reset bool   `help:"Also forget the second factor and the identity at the OpenID provider."`
}

// Run makes a password up, sets it and prints it.
func (c *passwordCommand) Run(ctx context.Context, s *session, out output) error {
	u, err := s.user(ctx, c.Login)
	if err != nil {
		return err
	}
	password := rand.Text()
	if err := s.access.SetPassword(ctx, s.who, u.ID, password); err != nil {
		return err
	}
	if c.Reset {
		if err := s.access.ResetSignIn(ctx, s.who, u.ID); err != nil {
			return err
		}
	}
	fmt.Fprintln(out.stdout, password)
	return nil
}
