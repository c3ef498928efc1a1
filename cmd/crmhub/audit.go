package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
)

type auditCommand struct {
	Verify auditVerify `cmd:"" help:"Recompute the audit trail and say where somebody changed it."`
	Export auditExport `cmd:"" help:"Write the audit trail as JSON lines."`
}

type auditVerify struct {
	Head *audit.Hash `help:"A hash noted down earlier, which must be in the trail." placeholder:"HASH"`
	From int64       `default:"1" help:"The first entry to recompute; the one before it is believed." placeholder:"NUMBER"`
	JSON bool        `help:"Print the report as JSON."`
}

// Validate is called by kong.
func (c *auditVerify) Validate() error {
	if c.From < 1 {
		return errors.New("--from: entries are numbered from 1 on")
	}
	return nil
}

// Run recomputes the trail, prints what it found, and fails if that is not intact.
func (c *auditVerify) Run(ctx context.Context, s *session, out output) error {
	r, err := postgres.Get(ctx, s.db, s.who, func(tx pgx.Tx) (audit.Report, error) {
		return audit.Verify(ctx, tx, s.key, s.who.Organization, audit.Range{From: c.From, Noted: c.Head})
	})
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(out.stdout).Encode(r)
	} else {
		_, err = fmt.Fprintf(out.stdout, "%d entries hold; the last is number %d, hash %s\n", r.Entries, r.Last, r.Hash)
		if err == nil && r.Erased > 0 {
			_, err = fmt.Fprintf(out.stdout, "%d of them are erased: their detail was taken out at somebody's request, and an entry says so\n", r.Erased)
		}
	}
	if err == nil && r.Fault != nil {
		err = fmt.Errorf("the audit trail was tampered with: entry %d: %s", r.Fault.Number, r.Fault.Kind.Explain())
	}
	return err
}

type auditExport struct{}

// Run writes an entry a line, in the order of the trail, with the hashes and exactly the detail that they cover.
func (c *auditExport) Run(ctx context.Context, s *session, out output) error {
	w := bufio.NewWriter(out.stdout)
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	err := s.db.As(ctx, s.who, func(tx pgx.Tx) error {
		for e, err := range audit.All(ctx, tx) {
			if err != nil {
				return fmt.Errorf("read the audit trail: %w", err)
			}
			if err := lines.Encode(e); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, w.Flush())
}
