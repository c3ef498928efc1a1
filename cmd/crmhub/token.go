package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

type tokenCommand struct {
	Add tokenAdd `cmd:"" help:"Make an API token; it is shown once."`
}

type tokenAdd struct {
	Name  string        `arg:"" help:"What the token is for."`
	Login string        `default:"admin" help:"User the token acts as." placeholder:"LOGIN"`
	Life  time.Duration `help:"When it expires; never if 0." placeholder:"DURATION"`
	Scope []string      `help:"What it may do of what the user may: a resource, a colon and an action, where * is any. May be repeated; all of it if left out." placeholder:"RESOURCE:ACTION"`
}

// Validate is called by kong.
func (c *tokenAdd) Validate() error {
	if c.Life < 0 {
		return errors.New("--life: a token cannot have expired when it is made")
	}
	return nil
}

// Run makes the token and prints it.
func (c *tokenAdd) Run(ctx context.Context, s *session, out output) error {
	u, err := s.user(ctx, c.Login)
	if err != nil {
		return err
	}
	var expires *time.Time
	if c.Life > 0 {
		at := time.Now().Add(c.Life)
		expires = &at
	}
	_, token, err := s.access.AddToken(ctx, s.who, u.ID, c.Name, expires, c.Scope...)
	if err != nil {
		return err
	}
	fmt.Fprintln(out.stdout, token)
	return nil
}
