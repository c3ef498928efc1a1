package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"crmhub/connectors"
	"crmhub/core/bus"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/secret"
)

type doctorCommand struct{}

// Run prints the settings, checks each thing the hub needs, prints a line for each, and fails if any check does.
func (c *doctorCommand) Run(ctx context.Context, cfg *Config, out output) (err error) {
	d := doctor{out: out.stdout}
	d.settings(cfg)
	_, err = connectors.Load(cfg.connectorsDir())
	d.check("connectors", err)
	_, err = loadMappings(cfg)
	d.check("mappings", err)
	if !cfg.embedded() {
		d.check("Kafka", reachKafka(ctx, cfg, out))
	}
	if provider := cfg.openID(secret.Key{}); provider != nil {
		d.check("OpenID provider", provider.Check(ctx))
	}
	s, err := openSession(ctx, cfg, out)
	d.check("database and its schema", err)
	if err != nil {
		return d.verdict()
	}
	defer s.closeInto(ctx, &err)
	var connections []connection.Connection
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) (err error) {
		connections, err = s.connections.List(ctx, tx)
		return err
	})
	d.check("organization "+cfg.Organization, err)
	for _, conn := range connections {
		d.check("connection "+conn.Code, s.check(ctx, conn))
	}
	return d.verdict()
}

func reachKafka(ctx context.Context, cfg *Config, out output) error {
	client, err := bus.Open(ctx, cfg.bus(cfg.KafkaBrokers, cfg.logger(out.stderr)))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return client.Ping(ctx)
}

// doctor prints findings and counts what is wrong.
type doctor struct {
	out    io.Writer
	faults int
}

// settings prints what is configured, without secrets.
func (d *doctor) settings(c *Config) {
	database := "private, in the data directory"
	if at, err := pgconn.ParseConfig(c.DatabaseURL.Reveal()); !c.private() && err == nil {
		database = fmt.Sprintf("%s at %s, as %s", at.Database, net.JoinHostPort(at.Host, strconv.Itoa(int(at.Port))), at.User)
	}
	broker := "embedded, in the data directory, on " + c.BrokerListen
	if !c.embedded() {
		broker = strings.Join(c.KafkaBrokers, ",")
		if c.KafkaUser != "" {
			broker += ", as " + c.KafkaUser + " (" + c.KafkaSASL + ")"
		}
		if c.KafkaTLS {
			broker += ", TLS"
		}
	}
	d.note("version", version())
	d.note("organization", c.Organization)
	d.note("listens on", c.Listen)
	d.note("data directory", c.DataDir)
	d.note("database", database)
	d.note("broker", broker)
	if c.OIDCIssuer != "" {
		d.note("OpenID provider", c.OIDCIssuer+", as "+c.OIDCClientID)
	}
	d.note("sealing key", either(c.SecretKey.IsZero(), "in the data directory", "configured"))
}

func (d *doctor) note(what, value string) { fmt.Fprintf(d.out, "     %s: %s\n", what, value) }

func (d *doctor) check(what string, err error) {
	if err != nil {
		d.faults++
		fmt.Fprintf(d.out, "FAIL %s: %v\n", what, err)
		if remote, ok := errors.AsType[*connector.Error](err); ok && remote.Remedy != "" {
			fmt.Fprintf(d.out, "     %s\n", remote.Remedy)
		}
		return
	}
	fmt.Fprintf(d.out, "ok   %s\n", what)
}

func (d *doctor) verdict() error {
	if d.faults > 0 {
		return errors.New("something is wrong; see above")
	}
	return nil
}

func either(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}
