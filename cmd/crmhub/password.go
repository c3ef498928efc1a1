package main

import (
	"context"
	"crypto/rand"
	"fmt"

	"crmhub/core/access"
)

type passwordCommand struct {
	Login string `arg:"" default:"admin" help:"Whose password."`
	Reset bool   `help:"Also forget the second factor and the identity at the OpenID provider."`
}

// Run makes a password up, sets it and prints it.
func (c *passwordCommand) Run(ctx context.Context, cfg *Config, out output) (err error) {
	s, err := openSession(ctx, cfg, out)
	if err != nil {
		return err
	}
	defer s.closeInto(ctx, &err)
	users, err := s.access.Users(ctx, s.who)
	if err != nil {
		return err
	}
	for _, u := range users {
		if u.Login != c.Login {
			continue
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
	return fmt.Errorf("user %q: %w", c.Login, access.ErrNotFound)
}
