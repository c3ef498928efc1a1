package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/drift"
	"crmhub/core/job"
	"crmhub/core/postgres"
)

type connectionCommand struct {
	Add   connectionAdd   `cmd:"" help:"Connect a system, and create the jobs that pull from it and push to it."`
	Check connectionCheck `cmd:"" help:"Prove with harmless calls that a connection works."`
	List  connectionList  `cmd:"" help:"List connections and how their links stand."`
	Drift connectionDrift `cmd:"" help:"Show how a system's records changed their shape."`
}

type connectionAdd struct {
	Connector string            `arg:"" help:"Kind of system, such as tryton."`
	Code      string            `arg:"" help:"Short name of the connection, such as erp."`
	Name      string            `help:"Name for people; the code when empty." placeholder:"TEXT"`
	Set       map[string]string `mapsep:"none" help:"A setting; a value like @FILE is read from the file." placeholder:"KEY=VALUE"`
	Secret    map[string]string `mapsep:"none" help:"A secret setting, best as @FILE: the command line is seen by others." placeholder:"KEY=@FILE"`
	Every     time.Duration     `default:"1m" help:"How often to pull." placeholder:"DURATION"`
}

// Validate is called by kong.
func (c *connectionAdd) Validate() error {
	if c.Every < time.Second {
		return errors.New("--every: at least 1s")
	}
	return nil
}

// Run adds the connection in one transaction with its jobs.
func (c *connectionAdd) Run(ctx context.Context, s *session, out output) error {
	kind, ok := s.connectors[c.Connector]
	if !ok {
		return fmt.Errorf("there is no connector %q; known are %s", c.Connector, strings.Join(names(s.connectors), ", "))
	}
	config, err := settings(kind, c.Set, c.Secret)
	if err != nil {
		return err
	}
	var added connection.Connection
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) error {
		added, err = s.connections.Add(ctx, tx, connection.New{Code: c.Code, Name: cmp.Or(c.Name, c.Code), Connector: c.Connector, Config: config})
		if err != nil {
			return err
		}
		remote, err := s.connections.Open(added) // it finds what the schema cannot, and asks nobody
		if err != nil {
			return err
		}
		if err := remote.Close(); err != nil {
			return err
		}
		_, err = s.jobs.CreateProposed(ctx, tx, added.ID, job.Plan{Pull: "@every " + c.Every.String()})
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out.stdout, "Added %s. Next: crmhub connection check %s\n", added.Name, added.Code)
	return nil
}

// settings reads key=value pairs into what the connector's configuration schema expects.
func settings(kind connector.Connector, plain, secrets map[string]string) (map[string]any, error) {
	var schema struct {
		Properties map[string]struct {
			Type string `json:"type"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(kind.Config, &schema); err != nil {
		return nil, fmt.Errorf("configuration schema of %s: %w", kind.Name, err)
	}
	config := map[string]any{}
	var faults []error
	for _, pairs := range []map[string]string{plain, secrets} {
		for _, key := range names(pairs) {
			text := pairs[key]
			if _, twice := config[key]; twice {
				faults = append(faults, fmt.Errorf("%s: given by --set and by --secret", key))
			}
			if path, ok := strings.CutPrefix(text, "@"); ok {
				b, err := os.ReadFile(path)
				if err != nil {
					faults = append(faults, fmt.Errorf("%s: %w", key, err))
					continue
				}
				text = strings.TrimRight(string(b), "\r\n")
			}
			switch schema.Properties[key].Type {
			case "", "string":
				config[key] = text
			default:
				var v any
				d := json.NewDecoder(strings.NewReader(text))
				d.UseNumber()
				if err := d.Decode(&v); err != nil {
					faults = append(faults, fmt.Errorf("%s: not a value of type %s", key, schema.Properties[key].Type))
					continue
				}
				config[key] = v
			}
		}
	}
	return config, errors.Join(faults...)
}

type connectionCheck struct {
	Code string `arg:"" help:"The connection."`
}

// Run calls the other system.
func (c *connectionCheck) Run(ctx context.Context, s *session, out output) error {
	conn, err := s.connection(ctx, c.Code)
	if err != nil {
		return err
	}
	if err := s.check(ctx, conn); err != nil {
		return err
	}
	fmt.Fprintln(out.stdout, conn.Name, "answers and accepts the credentials.")
	return nil
}

type connectionList struct{}

// Run prints a line for each connection.
func (c *connectionList) Run(ctx context.Context, s *session, out output) error {
	connections, standings, err := s.standings(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CODE\tCONNECTOR\tSTATUS\tLINKED\tPENDING\tFAILED\tNAME")
	for _, conn := range connections {
		n := standings[conn.ID]
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%s\n", conn.Code, conn.Connector, flow(conn), n.Linked, n.Pending, n.Failed, conn.Name)
	}
	return w.Flush()
}

type connectionDrift struct {
	Code string `arg:"" help:"The connection."`
	All  bool   `help:"Show what is resolved, too."`
	JSON bool   `help:"Print each change as a line of JSON."`
}

// Run prints a line for each change of shape, the latest first.
func (c *connectionDrift) Run(ctx context.Context, s *session, out output) error {
	conn, err := s.connection(ctx, c.Code)
	if err != nil {
		return err
	}
	f := drift.Filter{Connection: conn.ID, Status: "open", Limit: 500}
	if c.All {
		f.Status = ""
	}
	none := true
	err = each(ctx, s, func(tx pgx.Tx, after string) (postgres.Page[drift.Finding], error) {
		f.After = after
		return drift.List(ctx, tx, f)
	}, func(d drift.Finding) error {
		none = false
		return c.print(out, d)
	})
	if err == nil && none && !c.JSON {
		fmt.Fprintln(out.stdout, "The records of", conn.Name, "look as they always did.")
	}
	return err
}

func (c *connectionDrift) print(out output, d drift.Finding) error {
	if c.JSON {
		return json.NewEncoder(out.stdout).Encode(d)
	}
	word := "note"
	switch {
	case d.ResolvedAt != nil:
		word = "resolved"
	case d.AcknowledgedAt != nil:
		word = "known"
	case d.Serious:
		word = "serious"
	}
	_, err := fmt.Fprintf(out.stdout, "%-8s  %s %s: %s\n", word, d.Entity, d.Kind, d.Message)
	return err
}

// flow says whether anything flows over a connection.
func flow(c connection.Connection) string {
	if c.Status == connection.Active && c.Breaker.Held() {
		return fmt.Sprintf("held back (%s: %s)", c.Breaker.State, c.Breaker.Message)
	}
	return string(c.Status)
}
