package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"crmhub/connectors"
	"crmhub/connectors/rest"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/connector/conformance"
	"crmhub/core/connector/recorded"
	"crmhub/core/secret"
)

type connectorCommand struct {
	List connectorList `cmd:"" help:"List the connectors there are, and what each was tested against."`
	Show connectorShow `cmd:"" help:"Show what a connector needs and can do."`
	New  connectorNew  `cmd:"" help:"Begin a manifest for a system that there is no connector for."`
	Test connectorTest `cmd:"" help:"Run the conformance kit on a connector and print its score card."`
}

type connectorList struct{}

// Run prints a line for each connector. It asks no database.
func (c *connectorList) Run(cfg *Config, out output) error {
	set, err := connectors.Load(cfg.connectorsDir())
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tPROOF\tENTITIES\tTITLE")
	for _, kind := range set.Connectors {
		entities := make([]string, len(kind.Streams))
		for i, s := range kind.Streams {
			entities[i] = s.Entity
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", kind.Name, either(kind.Proof == "", "-", string(kind.Proof)), strings.Join(entities, ","), kind.Title)
	}
	return w.Flush()
}

type connectorShow struct {
	Connector string `arg:"" help:"The connector."`
}

// Run prints settings and abilities.
func (c *connectorShow) Run(cfg *Config, out output) error {
	_, kind, err := loadConnector(cfg, c.Connector)
	if err != nil {
		return err
	}
	fmt.Fprintf(out.stdout, "%s: %s\n", kind.Name, kind.Title)
	switch kind.Proof {
	case connector.ProofLive:
		fmt.Fprintln(out.stdout, "Tested against the real program.")
	case connector.ProofRecorded:
		fmt.Fprintln(out.stdout, "Tested against answers in the shapes that the vendor documents.")
	}
	fmt.Fprintln(out.stdout, "\nSettings")
	var config struct {
		Required   []string
		Properties map[string]struct {
			Title, Description string
			WriteOnly          bool
		}
	}
	if err := json.Unmarshal(kind.Config, &config); err != nil {
		return fmt.Errorf("configuration schema of %s: %w", kind.Name, err)
	}
	w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	required := map[string]bool{}
	for _, name := range config.Required {
		required[name] = true
	}
	for _, name := range names(config.Properties) {
		p := config.Properties[name]
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", name, either(required[name], "required", "optional"), either(p.WriteOnly, "secret", ""), strings.Trim(p.Title+". "+p.Description, ". ")+".")
	}
	fmt.Fprintln(w, "\nENTITY\tRECORD\tPULL\tPUSH\tFIND\tIDEMPOTENT\tDELETE\tTOGETHER")
	yes := func(b bool) string { return either(b, "yes", "-") }
	for _, s := range kind.Streams {
		pulled := yes(s.Pull)
		if s.Incremental {
			pulled = "changes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", s.Entity, s.Record, pulled, yes(s.Push), yes(s.Find), yes(s.Idempotent), yes(s.Delete), s.Batch)
	}
	return w.Flush()
}

type connectorNew struct {
	Name  string `arg:"" help:"Short name of the system, such as shop."`
	Title string `help:"Its name for people." placeholder:"TEXT"`
}

// Run writes the files.
func (c *connectorNew) Run(cfg *Config, out output) error {
	set, err := connectors.Load(cfg.connectorsDir())
	if err != nil {
		return err
	}
	if _, taken := set.ByName()[c.Name]; taken {
		return fmt.Errorf("there is a connector %s already", c.Name)
	}
	if err := rest.Begin(cfg.connectorsDir(), c.Name, c.Title); err != nil {
		return err
	}
	fmt.Fprintf(out.stdout, "Begun in %s. Its README.md says what comes next.\n", filepath.Join(cfg.connectorsDir(), c.Name))
	return nil
}

type connectorTest struct {
	Connector  string `arg:"" help:"The connector."`
	Connection string `help:"The system to test it on: a connection. Without one recorded exchanges are played." placeholder:"CODE"`
	Write      bool   `help:"Write to that system, too: records with references that begin with kit-, which stay there."`
	Samples    string `help:"Folder with <record>.json, what to write; samples beside the manifest when empty." type:"existingdir" placeholder:"DIR"`
	JSON       bool   `name:"json" help:"Print the score card as JSON."`
}

// Validate is called by kong.
func (c *connectorTest) Validate() error {
	if c.Write && c.Connection == "" {
		return errors.New("--write: name the connection to write to")
	}
	return nil
}

// Run prints the score card, and fails if anything on it failed.
func (c *connectorTest) Run(ctx context.Context, cfg *Config, out output) error {
	set, kind, err := loadConnector(cfg, c.Connector)
	if err != nil {
		return err
	}
	card := conformance.Card{Connector: kind.Name}
	if c.Connection == "" {
		err = playRecordings(ctx, kind, set.Files[kind.Name], &card)
	} else {
		err = c.live(ctx, cfg, out, kind, set.Files[kind.Name], &card)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(out.stdout)
		e.SetIndent("", "  ")
		err = e.Encode(card)
	} else {
		_, err = io.WriteString(out.stdout, card.String())
	}
	if n := card.Score()[conformance.Failed]; n > 0 {
		err = errors.Join(err, fmt.Errorf("%s: %d failed", kind.Name, n))
	}
	return err
}

// live runs the kit on the system of a connection.
func (c *connectorTest) live(ctx context.Context, cfg *Config, out output, kind connector.Connector, files fs.FS, card *conformance.Card) (err error) {
	s, conn, err := openConnection(ctx, cfg, out, c.Connection)
	if err != nil {
		return err
	}
	defer s.closeInto(ctx, &err)
	if conn.Connector != kind.Name {
		return fmt.Errorf("the connection %s is one of %s, not of %s", conn.Code, conn.Connector, kind.Name)
	}
	kind.Streams = kind.Carried(conn.Config)
	streams, err := c.streams(kind, files)
	if err != nil {
		return err
	}
	subject := conformance.Subject{
		Connector: kind,
		Open:      func() (connector.Session, error) { return s.connections.Open(conn) },
		OpenWrong: wrong(s.connections, kind, conn),
	}
	for _, test := range conformance.Tests(kind, streams) {
		card.Results = append(card.Results, test.Run(ctx, subject))
	}
	return nil
}

// wrong opens sessions with secrets that are none; nil for a connection without secrets.
func wrong(store *connection.Store, kind connector.Connector, conn connection.Connection) func() (connector.Session, error) {
	if names, err := store.SecretNames(conn); err != nil || len(names) == 0 {
		return nil
	}
	return func() (connector.Session, error) {
		secrets := map[string]secret.Text{}
		for _, name := range kind.Secrets {
			secrets[name] = secret.New("not-the-secret")
		}
		return kind.Open(connector.Options{Config: conn.Config, Secrets: secrets, Logger: store.Logger})
	}
}

// streams are all that the connector has, with what to write if that is wanted.
func (c *connectorTest) streams(kind connector.Connector, files fs.FS) ([]conformance.Stream, error) {
	streams := make([]conformance.Stream, len(kind.Streams))
	if c.Samples != "" {
		files = os.DirFS(c.Samples)
	} else if sub, err := fs.Sub(files, "samples"); err == nil {
		files = sub
	}
	for i, s := range kind.Streams {
		streams[i].Record = s.Record
		if !c.Write || !s.Push {
			continue
		}
		source, err := fs.ReadFile(files, s.Record+".json")
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			streams[i], err = conformance.Sample(s.Record, source)
		}
		if err != nil {
			return nil, fmt.Errorf("sample %s.json: %w", s.Record, err)
		}
	}
	return streams, nil
}

// playRecordings plays what lies in recorded/ beside the manifest.
func playRecordings(ctx context.Context, kind connector.Connector, files fs.FS, card *conformance.Card) error {
	names, err := fs.Glob(files, "recorded/*.txtar")
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no recorded exchanges: name a connection to test it on", kind.Name)
	}
	for _, name := range names {
		source, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		recording, err := recorded.Parse(source)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		outcomes, err := recorded.Play(ctx, kind, recording)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, o := range outcomes {
			r := conformance.Result{Stream: o.Step.Stream, Aspect: o.Step.Verb + ", recorded in " + name + " " + o.Step.Number, Verdict: conformance.Passed}
			if len(o.Faults) > 0 {
				r.Verdict, r.Notes = conformance.Failed, o.Faults
			}
			card.Results = append(card.Results, r)
		}
	}
	return nil
}

func loadConnector(cfg *Config, name string) (*connectors.Set, connector.Connector, error) {
	set, err := connectors.Load(cfg.connectorsDir())
	if err != nil {
		return nil, connector.Connector{}, err
	}
	byName := set.ByName()
	kind, ok := byName[name]
	if !ok {
		return nil, kind, fmt.Errorf("there is no connector %q; known are %s", name, strings.Join(names(byName), ", "))
	}
	return set, kind, nil
}
