package console

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/audit"
	"crmhub/core/connection"
	"crmhub/core/crm"
	"crmhub/core/schema"
)

// change is what somebody did to a record, as the audit trail knows it.
type change struct {
	At     time.Time
	Who    string
	Action string // a key of the catalogue, or the trail's own word
	Fields []fieldChange
}

// fieldChange is a field with what stood there and stands there since; neither is said of lists.
type fieldChange struct {
	Label       string
	Was, Is     cell
	Whole       bool // only that it changed
	OnlyWritten bool // nothing stood there
}

const historySize = 20

// history is what became of a record, the newest first, of the fields that the visitor sees plainly.
func (v *visit) history(ctx context.Context, tx pgx.Tx, k crm.Kind, id uuid.UUID, fields []field, n *names) ([]change, error) {
	page, err := audit.List(ctx, tx, audit.Filter{Entity: string(k), EntityID: id, Limit: historySize})
	if err != nil {
		return nil, err
	}
	diffs := make([]map[string][2]any, len(page.Items))
	var sides []map[string]any
	for i, entry := range page.Items {
		if entry.Action == "created" || entry.Detail == nil {
			continue
		}
		detail, err := v.who.Plainly(access.Resource(k), entry.Detail)
		if err != nil {
			return nil, fmt.Errorf("entry %d of the audit trail: %w", entry.Number, err)
		}
		diffs[i] = diffOf(detail)
		for side := range 2 {
			doc := map[string]any{}
			for name, values := range diffs[i] {
				doc[name] = values[side]
			}
			sides = append(sides, doc)
		}
	}
	told, err := v.name(ctx, tx, fields, sides...)
	if err != nil {
		return nil, err
	}
	maps.Copy(told.stages, n.stages)
	changes := make([]change, len(page.Items))
	for i, entry := range page.Items {
		changes[i] = change{At: entry.At, Who: v.actor(entry.Actor, told), Action: entry.Action}
		if deleted := diffs[i]["deleted_at"]; entry.Action == "updated" && deleted[0] != nil && deleted[1] == nil {
			entry.Action = "restored"
		}
		if key := "record.action." + entry.Action; v.words()[key] != "" {
			changes[i].Action = v.say(key)
		}
		changes[i].Fields = v.changedFields(diffs[i], fields, told)
	}
	return changes, nil
}

// diffOf reads {"field": [before, after]}; what has another form is left out.
func diffOf(detail json.RawMessage) map[string][2]any {
	doc, err := schema.DecodeJSON(detail)
	if err != nil {
		return nil
	}
	object, _ := doc.(map[string]any)
	diff := map[string][2]any{}
	for name, value := range object {
		if pair, ok := value.([]any); ok && len(pair) == 2 {
			diff[name] = [2]any{pair[0], pair[1]}
		}
	}
	return diff
}

func (v *visit) changedFields(diff map[string][2]any, fields []field, n *names) []fieldChange {
	var changed []fieldChange
	for _, name := range slices.Sorted(maps.Keys(diff)) {
		i := slices.IndexFunc(fields, func(f field) bool { return f.Name == name })
		if i < 0 || fields[i].Head {
			continue
		}
		f := fields[i]
		c := fieldChange{Label: f.label, Whole: f.Type == "list" || f.Type == "document"}
		if !c.Whole {
			none := map[string]any{}
			if f.Name == "stage" {
				c.Was, c.Is = v.stageCell(diff[name][0], n), v.stageCell(diff[name][1], n)
			} else {
				c.Was, c.Is = v.cell(f, diff[name][0], none, n), v.cell(f, diff[name][1], none, n)
			}
			c.OnlyWritten = c.Was.Empty() || diff[name][0] == nil
		}
		changed = append(changed, c)
	}
	return changed
}

// stageCell shows a stage whose pipeline the diff does not say: by the name that its code has in any.
func (v *visit) stageCell(code any, n *names) cell {
	s, _ := code.(string)
	for key, name := range n.stages {
		if s != "" && strings.HasSuffix(key, s) && len(key) == len(s)+36 {
			return cell{Text: name}
		}
	}
	return cell{Text: s}
}

// actor is who did something, in words.
func (v *visit) actor(actor string, n *names) string {
	kind, id, _ := strings.Cut(actor, ":")
	switch kind {
	case "user":
		if name := n.people[id]; name != "" {
			return name
		}
		return v.say("record.by_somebody")
	case "token":
		return v.say("record.by_token")
	case "connection":
		return v.say("record.by_connection", n.connections[id])
	default:
		return v.say("record.by_system")
	}
}

// originOf is what people call where a change came from: this system, or a connection.
func (v *visit) originOf(ctx context.Context, tx pgx.Tx, origin string) (string, error) {
	if origin == "crm" {
		return v.say("record.origin_here"), nil
	}
	connections, err := v.console.Connections.List(ctx, tx)
	if i := slices.IndexFunc(connections, func(c connection.Connection) bool { return c.Code == origin }); i >= 0 {
		return connections[i].Name, nil
	}
	return origin, err
}
