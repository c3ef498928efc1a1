package connection

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

const countLinked = `select count(*) from (select from links where connection_id = $1 and remote_id is not null limit 1000) l`

// elsewhere refuses to point a connection at another system while records of the one before are linked: their ids mean others
// there, and a push would overwrite those. Settings that tell systems apart are addresses (format uri), unless the connector's
// schema says otherwise, and what it marks with x-system: a database, a tenant, a company.
func elsewhere(ctx context.Context, tx pgx.Tx, c connector.Connector, old Connection, config map[string]any) error {
	var settings struct {
		Properties map[string]struct {
			Format string `json:"format"`
			System *bool  `json:"x-system"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(c.Config, &settings); err != nil {
		return fmt.Errorf("configuration schema of connector %s: %w", c.Name, err)
	}
	var vs schema.Violations
	for name, setting := range settings.Properties {
		tells := setting.Format == "uri"
		if setting.System != nil {
			tells = *setting.System
		}
		if tells && !reflect.DeepEqual(old.Config[name], config[name]) {
			vs = append(vs, schema.Violation{Pointer: "/config/" + schema.EscapePointer(name), Rule: "linked"})
		}
	}
	if len(vs) == 0 {
		return nil
	}
	var linked int
	if err := tx.QueryRow(ctx, countLinked, old.ID).Scan(&linked); err != nil {
		return fmt.Errorf("count what is linked over connection %s: %w", old.Code, err)
	}
	if linked == 0 {
		return nil
	}
	for i := range vs {
		vs[i].Message = fmt.Sprintf("names another system, while at least %d records of this one are linked: say same_system if it only moved, else add a connection", linked)
	}
	return vs.Err()
}
