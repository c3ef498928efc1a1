package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/schema"
)

const connectionsPath = "/sync/connections"

// connectorRow is a connector that a connection may be made of.
type connectorRow struct {
	Name, Title string
	Proof       connector.Proof
	Entities    []string
}

// connectionForm is the data of the page that makes a connection, or changes one.
type connectionForm struct {
	Action, Back string
	New          bool
	Title        string // of the connector
	Connector    string
	Version      int64
	Inputs       []input
	Groups       []settingGroup
	Faults       []string
	Failed       *connector.Error // the check's answer; nil if it was not made or went well
	Kept         bool             // it is saved all the same, since a secret that was entered is used up
	Over         bool             // saved over what somebody else changed meanwhile
	Secrets      bool             // that have to be entered again
	Elsewhere    bool             // it names another system, while records of the one before are linked
}

// refusal is why a connection's form comes again; zero if it was not sent yet.
type refusal struct {
	wrong  error            // violations of what was entered
	failed *connector.Error // what its system answered
	kept   bool             // it is saved all the same
	over   bool             // it is saved over what somebody else changed meanwhile
}

// newConnection offers the connectors, or the form of the one chosen.
func (c *Console) newConnection(_ context.Context, v *visit) error {
	name := v.r.URL.Query().Get("connector")
	if name == "" {
		var rows []connectorRow
		for _, name := range slices.Sorted(maps.Keys(c.Connections.Connectors)) {
			of := c.Connections.Connectors[name]
			row := connectorRow{Name: name, Title: v.connectorTitle(of), Proof: of.Proof}
			for _, s := range of.Streams {
				if !slices.Contains(row.Entities, s.Entity) {
					row.Entities = append(row.Entities, s.Entity)
				}
			}
			rows = append(rows, row)
		}
		return v.show("connectors", rows)
	}
	if _, known := c.Connections.Connectors[name]; !known {
		return connection.ErrNotFound
	}
	return v.writeConnectionForm(http.StatusOK, connection.Connection{Connector: name}, refusal{})
}

func (c *Console) editConnection(ctx context.Context, v *visit) error {
	stored, err := v.connection(ctx)
	if err != nil {
		return err
	}
	return v.writeConnectionForm(http.StatusOK, stored, refusal{})
}

// connection is the one in the address.
func (v *visit) connection(ctx context.Context) (stored connection.Connection, err error) {
	id, err := v.id(connection.ErrNotFound)
	if err != nil {
		return stored, err
	}
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		stored, err = v.console.Connections.Get(ctx, tx, id)
		return err
	})
	return stored, err
}

// writeConnectionForm shows the form of a connection that is stored or, with a connector alone, new.
func (v *visit) writeConnectionForm(status int, stored connection.Connection, why refusal) error {
	of, known := v.console.Connections.Connectors[stored.Connector]
	if !known {
		return connection.ErrNotFound
	}
	q, err := v.questions(why.wrong)
	if err != nil {
		return err
	}
	if why.failed != nil {
		q.given = v.r.Form
	}
	f := schemaForm{questions: q, connector: of.Name, secrets: of.Secrets, stored: stored.Config, sealed: map[string]bool{}}
	if err := json.Unmarshal(of.Config, &f.schema); err != nil {
		return fmt.Errorf("configuration schema of connector %s: %w", of.Name, err)
	}
	p := connectionForm{
		New: stored.ID == uuid.Nil, Title: v.connectorTitle(of), Connector: of.Name, Version: stored.Version, Failed: why.failed, Kept: why.kept, Over: why.over,
		Secrets: !why.kept && slices.ContainsFunc(of.Secrets, func(name string) bool { return q.given.Get("config."+name) != "" }),
		Action:  connectionsPath, Back: connectionsPath,
	}
	if vs, ok := errors.AsType[schema.Violations](why.wrong); ok {
		p.Elsewhere = slices.ContainsFunc(vs, func(v schema.Violation) bool { return v.Rule == "linked" })
	}
	name := q.must("name", v.say("name"), "text", stored.Name)
	if p.New {
		code := q.must("code", v.say("connection.code"), "text", "")
		code.Max, code.Hint = 41, v.say("connection.code_hint")
		p.Inputs = []input{name, code}
	} else {
		p.Inputs = []input{name}
		p.Back += "/" + stored.ID.String()
		p.Action = p.Back + "/edit"
		names, err := v.console.Connections.SecretNames(stored)
		if err != nil {
			return err
		}
		for _, name := range names {
			f.sealed[name] = true
		}
	}
	p.Groups = f.groups(v.say("connection.config"))
	p.Faults = q.rest()
	if !p.New {
		v.here = p.Action
	} else {
		v.here = connectionsPath + "/new"
	}
	return v.write(status, "connection-form", p)
}

// errTried ends the transaction of a connection that was only to be tried.
var errTried = errors.New("only tried")

// saveConnection makes or changes a connection. Unless the form says otherwise its system is asked first, and what it does not
// answer is not saved.
func (c *Console) saveConnection(ctx context.Context, v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	stored := connection.Connection{Connector: v.r.PostFormValue("connector")}
	if v.r.PathValue("id") != "" {
		var err error
		if stored, err = v.connection(ctx); err != nil {
			return err
		}
		if stored.Version, err = strconv.ParseInt(v.r.PostFormValue("version"), 10, 64); err != nil {
			return errAddress
		}
	}
	of, known := c.Connections.Connectors[stored.Connector]
	if !known {
		return connection.ErrNotFound
	}
	var s configSchema
	if err := json.Unmarshal(of.Config, &s); err != nil {
		return fmt.Errorf("configuration schema of connector %s: %w", of.Name, err)
	}
	config, vs := s.entered(v.r.Form, of.Secrets, stored.Config)
	seen := stored.Version
	write := func(tx pgx.Tx) (connection.Connection, error) {
		name := strings.TrimSpace(v.r.PostFormValue("name"))
		if stored.ID != uuid.Nil {
			return c.Connections.Update(ctx, tx, stored.ID, seen, connection.Change{Name: name, Config: config, SameSystem: v.r.PostFormValue("same_system") == "true"})
		}
		return c.Connections.Add(ctx, tx, connection.New{Code: strings.TrimSpace(v.r.PostFormValue("code")), Name: name, Connector: of.Name, Config: config})
	}
	tried := v.r.PostFormValue("do") == "check"
	var saved connection.Connection
	err := v.as(ctx, func(tx pgx.Tx) (err error) {
		if saved, err = write(tx); err == nil && (tried || len(vs) > 0) {
			err = errTried
		}
		return err
	})
	if broken, ok := errors.AsType[schema.Violations](err); ok {
		vs = append(vs, broken...)
	} else if err != nil && !errors.Is(err, errTried) {
		return err
	}
	if len(vs) > 0 {
		return v.writeConnectionForm(http.StatusUnprocessableEntity, stored, refusal{wrong: vs})
	}
	if !tried {
		return v.done(connectionsPath+"/"+saved.ID.String(), "connection_saved")
	}
	// No transaction waits for the other system.
	config, renewed, failed := c.Connections.Try(ctx, saved, config)
	if failed != nil && !renewed {
		return v.writeConnectionForm(http.StatusUnprocessableEntity, stored, refusal{failed: connector.AsError(failed)})
	}
	over := false
	err = v.as(context.WithoutCancel(ctx), func(tx pgx.Tx) (err error) { // what the system has renewed is nowhere else
		if saved, err = write(tx); errors.Is(err, connection.ErrStale) && renewed {
			var now connection.Connection
			if now, err = c.Connections.Get(ctx, tx, stored.ID); err != nil {
				return err
			}
			seen, over = now.Version, true
			saved, err = write(tx)
		}
		if err == nil && (failed != nil || over) {
			saved, err = c.Connections.SetStatus(ctx, tx, saved.ID, saved.Version, connection.Paused)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case failed != nil:
		return v.writeConnectionForm(http.StatusUnprocessableEntity, saved, refusal{failed: connector.AsError(failed), kept: true, over: over})
	case over:
		return v.writeConnectionForm(http.StatusConflict, saved, refusal{over: true})
	}
	return v.done(connectionsPath+"/"+saved.ID.String(), "connection_checked")
}

func (c *Console) removeConnection(ctx context.Context, v *visit) error {
	id, err := v.id(connection.ErrNotFound)
	if err != nil {
		return err
	}
	version, err := strconv.ParseInt(v.r.PostFormValue("version"), 10, 64)
	if err != nil {
		return errAddress
	}
	if err := v.as(ctx, func(tx pgx.Tx) error { return c.Connections.Delete(ctx, tx, id, version) }); err != nil {
		return err
	}
	return v.done(connectionsPath, "deleted_for_good")
}

// connectionRoutes are where connections are made, changed and taken away.
func (c *Console) connectionRoutes() map[string]page {
	return map[string]page{
		"GET " + connectionsPath + "/{id}/webhook":         {needs(access.Connections, access.Read), c.showWebhook},
		"POST " + connectionsPath + "/{id}/webhook":        {needs(access.Connections, access.Update), c.setWebhook},
		"POST " + connectionsPath + "/{id}/webhook/rotate": {needs(access.Connections, access.Update), c.rotateWebhook},
		"POST " + connectionsPath + "/{id}/webhook/delete": {needs(access.Connections, access.Update), c.removeWebhook},
		"GET " + connectionsPath + "/new":                  {needs(access.Connections, access.Create), c.newConnection},
		"POST " + connectionsPath:                          {needs(access.Connections, access.Create), c.saveConnection},
		"GET " + connectionsPath + "/{id}/edit":            {needs(access.Connections, access.Update), c.editConnection},
		"POST " + connectionsPath + "/{id}/edit":           {needs(access.Connections, access.Update), c.saveConnection},
		"POST " + connectionsPath + "/{id}/delete":         {needs(access.Connections, access.Delete), c.removeConnection},
	}
}
