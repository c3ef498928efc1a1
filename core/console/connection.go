package console

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/drift"
	"crmhub/core/job"
	"crmhub/core/link"
)

// connectionRow is a connection with how its links stand.
type connectionRow struct {
	connection.Connection
	link.Standing
}

type connectionPage struct {
	Connection     connectionRow
	ConnectorTitle string
	Settings       []setting // its configuration, as the form calls it
	Jobs           jobsPart
	Proposed       []job.Proposed // for a connection without jobs, if the reader may make them
	Mappings       []mappingRow
	DeadLetters    []deadLetterRow
	Drift          []drift.Finding  // what is open
	CheckFailed    *connector.Error // why the check just made failed; nil if none was made
}

func (c *Console) connectionRows(ctx context.Context, tx pgx.Tx) ([]connectionRow, error) {
	connections, err := c.Connections.List(ctx, tx)
	if err != nil {
		return nil, err
	}
	standings, err := link.Standings(ctx, tx)
	if err != nil {
		return nil, err
	}
	rows := make([]connectionRow, len(connections))
	for i, conn := range connections {
		rows[i] = connectionRow{conn, standings[conn.ID]}
	}
	return rows, nil
}

// connectionNames gives the names of all connections by id.
func (c *Console) connectionNames(ctx context.Context, tx pgx.Tx) (map[uuid.UUID]string, error) {
	connections, err := c.Connections.List(ctx, tx)
	if err != nil {
		return nil, err
	}
	names := make(map[uuid.UUID]string, len(connections))
	for _, conn := range connections {
		names[conn.ID] = conn.Name
	}
	return names, nil
}

func (c *Console) listConnections(ctx context.Context, v *visit) error {
	rows, err := get(ctx, v, func(tx pgx.Tx) ([]connectionRow, error) { return c.connectionRows(ctx, tx) })
	if err != nil {
		return err
	}
	return v.show("connections", rows)
}

func (c *Console) showConnection(ctx context.Context, v *visit) error {
	return c.writeConnection(ctx, v, nil)
}

func (c *Console) writeConnection(ctx context.Context, v *visit, checkFailed *connector.Error) error {
	id, err := v.id(connection.ErrNotFound)
	if err != nil {
		return err
	}
	p := connectionPage{CheckFailed: checkFailed}
	err = v.as(ctx, func(tx pgx.Tx) error {
		conn, err := c.Connections.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		drifted, err := drift.List(ctx, tx, drift.Filter{Connection: id, Status: "open", Limit: pageSize})
		if err != nil {
			return err
		}
		p.Drift = drifted.Items
		standings, err := link.Standings(ctx, tx)
		if err != nil {
			return err
		}
		p.Connection = connectionRow{conn, standings[id]}
		if p.ConnectorTitle, p.Settings, err = v.settings(c.Connections.Connectors[conn.Connector], conn); err != nil {
			return err
		}
		if p.Mappings, err = c.mappingRows(ctx, tx, conn); err != nil {
			return err
		}
		jobs, err := c.jobsNow(ctx, tx, id)
		if err != nil {
			return err
		}
		for i := range jobs {
			jobs[i].ConnectionName = "" // the page is the connection's
		}
		p.Jobs = v.jobsPart(jobs)
		if len(jobs) == 0 && v.who.May(access.Jobs, access.Create) != "" {
			if p.Proposed, err = c.Jobs.Propose(ctx, tx, id, v.plan()); err != nil {
				return err
			}
		}
		letters, err := c.deadLetterRows(ctx, tx, job.LetterFilter{Connection: id, Status: job.Open, Limit: 20})
		for i := range letters.Items {
			letters.Items[i].ConnectionName = ""
		}
		if err != nil {
			return err
		}
		p.DeadLetters, err = v.titledLetters(ctx, tx, letters.Items)
		return err
	})
	if err != nil {
		return err
	}
	return v.show("connection", p)
}

func (c *Console) checkConnection(ctx context.Context, v *visit) error {
	id, err := v.id(connection.ErrNotFound)
	if err != nil {
		return err
	}
	conn, err := get(ctx, v, func(tx pgx.Tx) (connection.Connection, error) { return c.Connections.Get(ctx, tx, id) })
	if err != nil {
		return err
	}
	if err := c.Connections.CheckNow(ctx, c.Breakers, conn); err != nil {
		return c.writeConnection(ctx, v, connector.AsError(err))
	}
	return v.done("/sync/connections/"+id.String(), "checked")
}

func (c *Console) acknowledgeDrift(ctx context.Context, v *visit) error {
	id, err := v.id(drift.ErrNotFound)
	if err != nil {
		return err
	}
	known, err := get(ctx, v, func(tx pgx.Tx) (drift.Finding, error) { return drift.Acknowledge(ctx, tx, id, "") })
	if err != nil {
		return err
	}
	return v.done("/sync/connections/"+known.ConnectionID.String(), "drift_known")
}

func (c *Console) setConnectionStatus(ctx context.Context, v *visit) error {
	id, err := v.id(connection.ErrNotFound)
	if err != nil {
		return err
	}
	status, err := v.choice("status", string(connection.Active), string(connection.Paused))
	if err != nil {
		return err
	}
	notice := "connection_resumed"
	if status == string(connection.Paused) {
		notice = "connection_paused"
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		conn, err := c.Connections.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		_, err = c.Connections.SetStatus(ctx, tx, id, conn.Version, connection.Status(status))
		return err
	})
	if err != nil {
		return err
	}
	return v.done("/sync/connections/"+id.String(), notice)
}
