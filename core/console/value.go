package console

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// cell is a value as a page shows it. The zero cell is an empty one.
type cell struct {
	Text    string
	Link    string
	Phone   string        // to call
	Tone    string        // of a badge; "" for plain text
	Time    template.HTML // instead of Text
	Texts   []string      // several, such as tags or the lines of an address
	Long    bool          // in paragraphs
	Mono    bool
	Numeric bool
}

// Empty reports whether there is nothing to show.
func (c cell) Empty() bool { return c.Text == "" && c.Time == "" && len(c.Texts) == 0 }

// names are what the things are called that documents refer to, as far as the visitor may know.
type names struct {
	titles  map[crm.Kind]map[uuid.UUID]string
	people  map[string]string // by id
	stages  map[string]string // by pipeline and code
	persons []access.Person

	connections map[string]string // by id
}

const user = crm.Kind("user") // what owners refer to; no kind of entity

// name reads what everything is called that the fields of the documents refer to: a statement for each kind.
func (v *visit) name(ctx context.Context, tx pgx.Tx, fields []field, docs ...map[string]any) (*names, error) {
	wanted := map[crm.Kind][]uuid.UUID{}
	for _, doc := range docs {
		collect(fields, doc, wanted)
	}
	n, err := v.everybody(ctx, tx)
	if err != nil {
		return nil, err
	}
	for k, ids := range wanted {
		r := access.Resource(k)
		if k == user || v.who.May(r, access.Read) == "" || v.who.Hides(r, crm.TitleField(k)) {
			continue
		}
		if n.titles[k], err = v.console.CRM.Titles(ctx, tx, k, ids); err != nil {
			return nil, err
		}
	}
	if len(wanted[crm.KindPipeline]) > 0 {
		err = v.nameStages(ctx, tx, n)
	}
	return n, err
}

// everybody is the people and connections of the organization, read once a request.
func (v *visit) everybody(ctx context.Context, tx pgx.Tx) (*names, error) {
	if v.known == nil {
		known := names{people: map[string]string{}, connections: map[string]string{}}
		var err error
		if known.persons, err = access.Names(ctx, tx); err != nil {
			return nil, err
		}
		for _, p := range known.persons {
			known.people[p.ID.String()] = p.Name
		}
		connections, err := v.console.connectionNames(ctx, tx)
		if err != nil {
			return nil, err
		}
		for id, name := range connections {
			known.connections[id.String()] = name
		}
		v.known = &known
	}
	n := *v.known
	n.titles, n.stages = map[crm.Kind]map[uuid.UUID]string{}, map[string]string{}
	return &n, nil
}

func (v *visit) nameStages(ctx context.Context, tx pgx.Tx, n *names) error {
	pipelines, err := v.pipelines(ctx, tx)
	for _, p := range pipelines {
		for _, s := range p.Stages {
			n.stages[p.ID.String()+s.Code] = s.Name
		}
	}
	return err
}

// collect gathers the ids that a document refers to, by kind.
func collect(fields []field, doc map[string]any, wanted map[crm.Kind][]uuid.UUID) {
	for _, f := range fields {
		value := f.valueIn(doc)
		switch inner := value.(type) {
		case map[string]any:
			collect(f.fields, inner, wanted)
		case []any:
			for _, item := range inner {
				if m, ok := item.(map[string]any); ok {
					collect(f.fields, m, wanted)
				}
			}
		case string:
			if id, err := uuid.Parse(inner); err == nil && f.Refers != "" && !slices.Contains(wanted[f.Refers], id) {
				wanted[f.Refers] = append(wanted[f.Refers], id)
			}
		}
	}
}

// of is what a reference is called, "" if the visitor may not know, and where it is.
func (n *names) of(f field, id string) (title, link string) {
	if f.Refers == user {
		return n.people[id], ""
	}
	u, err := uuid.Parse(id)
	if err != nil {
		return "", ""
	}
	title, ok := n.titles[f.Refers][u]
	if !ok {
		return "", ""
	}
	if title == "" {
		title = id[:8]
	}
	return title, pathOf(f.Refers) + "/" + id
}

// cell shows the value of a field. The document around it tells the currency, and the pipeline of a stage.
func (v *visit) cell(f field, value any, doc map[string]any, n *names) cell {
	c := cell{Numeric: f.numeric()}
	switch x := value.(type) {
	case nil:
		if f.amount() {
			c.Text = "–"
		}
	case bool:
		c.Text = v.say(map[bool]string{true: "yes", false: "no"}[x])
	case json.Number:
		c.Text = v.number(f, x.String(), doc)
	case map[string]any:
		c.Texts = addressLines(x)
	case []any:
		for _, item := range x {
			if s, ok := item.(string); ok {
				c.Texts = append(c.Texts, s)
			}
		}
	case string:
		if x != "" {
			v.textCell(&c, f, x, doc, n)
		}
	default:
		c.Text = fmt.Sprint(x)
	}
	return c
}

func (v *visit) textCell(c *cell, f field, s string, doc map[string]any, n *names) {
	c.Text = s
	switch {
	case f.Refers != "":
		if c.Text, c.Link = n.of(f, s); c.Text == "" {
			c.Text = "–"
		}
	case f.Name == "stage":
		if name, ok := n.stages[fmt.Sprint(doc["pipeline_id"])+s]; ok {
			c.Text = name
		}
	case len(f.Enum) > 0:
		c.Text = v.word(f, s)
	case f.Name == "entity" && slices.Contains(crm.Kinds(), crm.Kind(s)): // of a custom field
		c.Text = v.say("kinds." + s)
	case f.Type == "number":
		c.Text = v.number(f, s, doc)
	case f.Type == "date":
		if d, err := crm.ParseDate(s); err == nil {
			c.Text, _ = formatDate(v.lang, d)
		}
	case f.Type == "instant":
		if at, err := time.Parse(time.RFC3339, s); err == nil {
			c.Time, _ = formatTime(v.lang, at)
		}
	case f.Format == "email" && !strings.HasPrefix(s, "*"):
		c.Link = "mailto:" + s
	case f.Format == "phone" && !strings.HasPrefix(s, "*"):
		c.Phone = strings.ReplaceAll(s, " ", "")
	case f.Format == "website" && (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")):
		c.Link = s
	case f.long():
		c.Long = true
	case f.Key || f.Format == "uscc" || f.Name == "tax_id":
		c.Mono = true
	}
}

// plainAmount writes an amount without its currency, which stands elsewhere.
func (v *visit) plainAmount(s string, doc map[string]any) string {
	currency, _ := doc["currency"].(string)
	d, err := decimal.NewFromString(s)
	if err != nil {
		return s
	}
	return formatPrice(d, currency)
}

// number writes a number as people read it.
func (v *visit) number(f field, s string, doc map[string]any) string {
	d, err := decimal.NewFromString(s)
	if err != nil {
		return s
	}
	currency, _ := doc["currency"].(string)
	switch {
	case f.Name == "residual" && d.IsZero():
		return "–"
	case f.percent():
		return group(d.String()) + "%"
	case f.Name == "price" && f.amount():
		return formatPrice(d, currency)
	case f.amount() && currency != "":
		return formatAmount(d, currency)
	default:
		return group(d.String())
	}
}

// addressLines writes a postal address.
func addressLines(a map[string]any) []string {
	text := func(name string) string { s, _ := a[name].(string); return s }
	join := func(sep string, parts ...string) string {
		return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
	}
	lines := []string{text("street"), join(" ", text("district"), text("postcode"), text("city")), join(" · ", text("province"), text("country"))}
	return slices.DeleteFunc(lines, func(s string) bool { return s == "" })
}

// badge shows a state with its colour.
func (v *visit) badge(f field, value any) cell {
	s, _ := value.(string)
	if s == "" {
		return cell{}
	}
	if s == "none" {
		return cell{Text: v.word(f, s)}
	}
	if f.vocabulary == "opportunity.status" && s == "open" {
		return cell{Text: v.word(f, s), Tone: "info"} // an open dead letter is bad, an open opportunity is not
	}
	return cell{Text: v.word(f, s), Tone: tone(s)}
}

// titleOf is what a page calls a record.
func (v *visit) titleOf(w view, doc map[string]any, n *names, fields []field) string {
	for _, name := range w.title {
		s, _ := doc[name].(string)
		if i := slices.IndexFunc(fields, func(f field) bool { return f.Name == name && f.Refers != "" }); i >= 0 && s != "" {
			s, _ = n.of(fields[i], s)
		}
		if s != "" {
			if r := []rune(s); len(r) > 80 {
				return string(r[:80]) + "…"
			}
			return s
		}
	}
	for _, f := range fields { // what has no name is known by what it is about
		if s, _ := doc[f.Name].(string); f.Refers != "" && f.Refers != user && s != "" {
			if title, _ := n.of(f, s); title != "" {
				return title
			}
		}
	}
	return v.say("state.entity." + string(w.kind))
}
