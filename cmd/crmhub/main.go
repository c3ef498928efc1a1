// Command crmhub is a CRM store in PostgreSQL, surrounded by connectors that keep customers, orders and invoices
// equal in ERP and finance systems. This package reads the configuration and wires the parts; it decides nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// commands is everything a user can type; kong makes the help from it.
type commands struct {
	Config

	Version kong.VersionFlag `help:"Print the version and end."`

	Serve        serveCommand        `cmd:"" help:"Run the hub: API, console, engine."`
	Demo         demoCommand         `cmd:"" help:"Run the hub with a simulated ERP and finance system and watch orders flow."`
	Migrate      migrateCommand      `cmd:"" help:"Bring the database to this version's schema and end."`
	Connector    connectorCommand    `cmd:"" help:"List, begin and test connectors."`
	Connection   connectionCommand   `cmd:"" help:"Connect other systems."`
	Sync         syncCommand         `cmd:"" help:"Run jobs, see how they go, replay what failed."`
	Journey      journeyCommand      `cmd:"" help:"Tell what happened to an entity across systems."`
	Match        matchCommand        `cmd:"" help:"Match two systems that both hold data: which record is which entity."`
	Link         linkCommand         `cmd:"" help:"Find, make and take apart links of entities with records."`
	Conflict     conflictCommand     `cmd:"" help:"Decide about fields that both sides changed."`
	Reconcile    reconcileCommand    `cmd:"" help:"Prove that both sides are equal, mend what differs, and report it, signed."`
	Organization organizationCommand `cmd:"" help:"Make and list organizations, each blind to the others."`
	Token        tokenCommand        `cmd:"" help:"Make API tokens."`
	Password     passwordCommand     `cmd:"" help:"Give a user a new password."`
	Mapping      mappingCommand      `cmd:"" help:"Check, test and publish mappings."`
	AsyncAPI     asyncAPICommand     `cmd:"" name:"asyncapi" help:"Print the description of all topics: AsyncAPI 3.0, JSON."`
	Import       importCommand       `cmd:"" help:"Import entities from a CSV, XLSX or JSON lines file."`
	Invoice      invoiceCommand      `cmd:"" help:"Check electronic invoices."`
	Erase        eraseCommand        `cmd:"" help:"Erase a person's data everywhere, at his request."`
	Audit        auditCommand        `cmd:"" help:"Verify and export the audit trail."`
	Doctor       doctorCommand       `cmd:"" help:"Check configuration, database, broker, mappings and connections."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // who interrupts twice means at once
	code := run(ctx, os.Args[1:], output{os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// run is the program: it returns the exit code, 0 if the command did what it was told, 1 if it could not, 2 if it was told
// wrongly. Tests call it as main does.
func run(ctx context.Context, args []string, out output) int {
	var c commands
	exit := -1
	parser, err := kong.New(&c, kong.Name("crmhub"), kong.Writers(out.stdout, out.stderr), kong.Exit(func(code int) { exit = code }),
		kong.Description("A CRM that keeps customers, orders and invoices equal in ERP and finance systems."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}), kong.Help(help), kong.Vars{"data": defaultDataDir(), "kinds": kinds(), "version": version()})
	if err != nil {
		fmt.Fprintln(out.stderr, "crmhub:", err)
		return 2
	}
	k, err := parser.Parse(args)
	if exit >= 0 {
		return exit // help was asked for and printed
	}
	if err != nil {
		complain(out.stderr, err)
		fmt.Fprintln(out.stderr, `Run "crmhub --help" to see what there is.`)
		return 2
	}
	k.BindTo(ctx, (*context.Context)(nil))
	if err := runCommand(ctx, k, &c.Config, out); err != nil {
		complain(out.stderr, err)
		return 1
	}
	return 0
}

// help prints the settings of the hub where all commands are listed and where the hub is run; elsewhere they would bury a
// command's own flags.
func help(o kong.HelpOptions, k *kong.Context) error {
	command := k.Selected()
	if command == nil || command.Name == "serve" {
		return kong.DefaultHelpPrinter(o, k)
	}
	for _, f := range k.Model.Flags {
		f.Hidden = f.Name != "help" && f.Name != "organization"
	}
	err := kong.DefaultHelpPrinter(o, k)
	fmt.Fprintln(k.Stdout, "\nThe settings of the hub count for every command: crmhub --help lists them.")
	return err
}

// runCommand runs what was typed. A command that works with the store takes a *session, which is opened for it and closed after it.
func runCommand(ctx context.Context, k *kong.Context, cfg *Config, out output) (err error) {
	var s *session
	open := func() (_ *session, err error) {
		s, err = openSession(ctx, cfg, out)
		return s, err
	}
	if err := k.BindSingletonProvider(open); err != nil {
		return err
	}
	defer func() {
		if s != nil {
			s.closeInto(ctx, &err)
		}
	}()
	return k.Run(cfg, out)
}

// complain prints a line for each thing that is wrong, and what can be done about it where that is known.
func complain(w io.Writer, err error) {
	text := err.Error()
	if faults, ok := errors.AsType[schema.Violations](err); ok {
		lines := make([]string, len(faults))
		for i, f := range faults {
			lines[i] = schema.Violations{f}.Error()
		}
		text = strings.Join(lines, "\n")
	}
	for line := range strings.Lines(text) {
		fmt.Fprintf(w, "crmhub: %s\n", strings.TrimSpace(line))
	}
	if remote, ok := errors.AsType[*connector.Error](err); ok && remote.Remedy != "" {
		fmt.Fprintf(w, "crmhub: %s\n", remote.Remedy)
	}
}
