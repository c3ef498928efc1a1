package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"crmhub/cmd/crmhub/northwind"
	"crmhub/cmd/crmhub/summary"
	"crmhub/connectors/simulator"
	"crmhub/core/postgres/private"
	"crmhub/core/secret"
)

type demoCommand struct {
	Exit bool `help:"End after the summary, with status 0 only if both sides agree."`
	JSON bool `name:"json" help:"Print the summary as JSON, and nothing else to standard output."`
}

// Run starts a hub on data of its own and two simulated systems, lets a trading company's orders flow between them,
// and prints whether both sides hold the same.
func (c *demoCommand) Run(ctx context.Context, cfg *Config, out output) (err error) {
	began := time.Now()
	story := out.stdout
	if c.JSON {
		story = out.stderr
	}
	cfg, err = demoConfig(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Fprintln(story, "Starting a private database, a broker, a hub, and a simulated ERP and finance system ...")
	sim, err := simulator.Start(ctx, simulator.Config{APIKey: demoKey, Step: demoStep, Logger: cfg.logger(out.stderr)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sim.Close()) }()
	h, err := newHub(ctx, cfg, out)
	if err != nil {
		return err
	}
	defer func() {
		h.closeInto(ctx, &err)
		err = errors.Join(err, forget(cfg.DataDir))
	}()
	fmt.Fprintf(story, "Console at %s: sign in as %s with password %s\n", h.url(), h.first.Login, h.first.Password.Reveal())

	working, stop := context.WithCancel(ctx)
	defer stop()
	g, working := errgroup.WithContext(working)
	g.Go(func() error { return h.run(working) })
	g.Go(func() error {
		p := play{hub: h, sim: sim, story: story, began: began}
		s, err := p.run(working)
		if err != nil {
			return err
		}
		if err := c.print(out.stdout, s); err != nil {
			return err
		}
		if c.Exit {
			stop()
			if !s.Agree() {
				return errors.New("both sides do not hold the same")
			}
			return nil
		}
		fmt.Fprintf(story, "The hub keeps running at %s. Interrupt it to end; its data are deleted then.\n", h.url())
		return nil
	})
	return g.Wait()
}

func (c *demoCommand) print(w io.Writer, s summary.Summary) error {
	if !c.JSON {
		return s.WriteText(w)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(s)
}

// demoConfig is the configuration of a hub that shares nothing with others: everything private, in a directory of the
// demo's own, emptied; on the usual ports, or on free ones where those are taken.
func demoConfig(ctx context.Context, c *Config) (*Config, error) {
	own := *c
	own.DataDir = filepath.Join(c.DataDir, "demo")
	own.DatabaseURL, own.KafkaBrokers, own.SecretKey = secret.Text{}, nil, secret.Text{}
	own.KafkaUser, own.KafkaPassword, own.KafkaTLS = "", secret.Text{}, false
	own.LogLevel = max(own.LogLevel, slog.LevelWarn) // the story is what there is to read
	own.BaseCurrency = northwind.Currency            // else all that is sold would be in a currency without a rate
	own.Listen, own.BrokerListen = freeOr(ctx, c.Listen), freeOr(ctx, c.BrokerListen)

	unlock, err := lockDataDir(own.DataDir)
	if err != nil {
		return nil, err
	}
	// A demo that was killed left its database running.
	if database := filepath.Join(own.DataDir, "postgres"); exists(database) {
		var left *private.Server
		if left, err = private.Start(ctx, private.Config{Dir: database, Cache: filepath.Join(own.DataDir, "cache"), Logger: slog.New(slog.DiscardHandler)}); err == nil {
			err = left.Stop(ctx)
		}
	}
	return &own, errors.Join(err, forget(own.DataDir), unlock())
}

// forget deletes what a demo stored. Fetched programs stay.
func forget(dir string) error {
	return errors.Join(os.RemoveAll(filepath.Join(dir, "postgres")), os.RemoveAll(filepath.Join(dir, "broker")))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// freeOr is addr, or the same host with a port the system chooses if addr is taken.
func freeOr(ctx context.Context, addr string) string {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err == nil {
		_ = l.Close() // nobody was connected
		return addr
	}
	host, _, _ := net.SplitHostPort(addr) // the configuration was checked
	return net.JoinHostPort(host, "0")
}
