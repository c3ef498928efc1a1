package api

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// The parameters by which a reader says how much of an entity is to be in the answer.
const (
	fieldsParameter = "fields"
	expandParameter = "expand"
)

// selection is how much of entities a reader asks for. The zero selection is all of their fields and nothing else.
type selection struct {
	fields []string // nil: all; id is there anyway
	expand []relation
}

// relation is a field that refers to something, as expand names it.
type relation struct {
	list  string // whose items have the field; "" for a field of the entity itself
	field string
	kind  crm.Kind // of what is referred to, or userKind
}

// userKind is what references to people refer to. They are no entities.
const userKind crm.Kind = "user"

// name is the field without its _id: customer, or lines.product for one in a list.
func (r relation) name() string {
	if r.list == "" {
		return r.shownAs()
	}
	return r.list + "." + r.shownAs()
}

// shownAs is where the thing referred to is shown, beside its id.
func (r relation) shownAs() string { return strings.TrimSuffix(r.field, "_id") }

// top is the field of the entity that is shown when the relation is expanded.
func (r relation) top() string {
	if r.list == "" {
		return r.shownAs()
	}
	return r.list
}

// relationsOf are what can be expanded of a kind's entities.
func relationsOf(k crm.Kind) []relation {
	var all []relation
	for _, f := range crm.Fields(k) {
		if f.Refers != "" {
			all = append(all, relation{field: f.Name, kind: f.Refers})
		}
		if f.Type != "list" {
			continue
		}
		for _, item := range f.Fields {
			if item.Refers != "" {
				all = append(all, relation{list: f.Name, field: item.Name, kind: item.Refers})
			}
		}
	}
	return all
}

// selection reads what the caller asks for, and refuses what there is not and what he may not see.
func (e entities) selection(c *call, faults *parameterFaults) selection {
	var s selection
	if c.query.Has(fieldsParameter) {
		known := e.fieldNames()
		s.fields = strings.Split(c.query.Get(fieldsParameter), ",")
		for _, name := range s.fields {
			switch {
			case !slices.Contains(known, name):
				faults.add(fieldsParameter, "field", "there is no field "+strconv.Quote(name)+" of "+plural(e.kind))
			case c.who.Field(e.resource(), name) == access.FieldHidden:
				faults.add(fieldsParameter, "permission", "must be fields that you may see: "+name+" is none")
			}
		}
	}
	if !c.query.Has(expandParameter) {
		return s
	}
	all := relationsOf(e.kind)
	for name := range strings.SplitSeq(c.query.Get(expandParameter), ",") {
		at := slices.IndexFunc(all, func(r relation) bool { return r.name() == name })
		switch {
		case at < 0:
			faults.add(expandParameter, "field", "there is nothing called "+strconv.Quote(name)+" that "+plural(e.kind)+" refer to")
		case c.who.Hides(e.resource(), all[at].field), c.who.Hides(e.resource(), all[at].list):
			faults.add(expandParameter, "permission", "must be what you may see: "+name+" is not")
		default:
			s.expand = append(s.expand, all[at])
		}
	}
	return s
}

func (e entities) fieldNames() []string {
	var names []string
	for _, f := range crm.Fields(e.kind) {
		names = append(names, f.Name)
	}
	return names
}

// selected returns entities of the kind as the caller sees them, and of that what he asked for.
func (e entities) selected(ctx context.Context, c *call, s selection, found []crm.Entity) ([]any, error) {
	items := make([]any, len(found))
	if s.fields == nil && s.expand == nil {
		for i, entity := range found {
			var err error
			if items[i], err = c.seen(entity); err != nil {
				return nil, err
			}
		}
		return items, nil
	}
	docs := make([]map[string]any, len(found))
	for i, entity := range found {
		doc, err := crm.Document(entity)
		if err != nil {
			return nil, err
		}
		docs[i] = c.who.Present(e.resource(), doc)
	}
	if err := e.expand(ctx, c, s.expand, docs); err != nil {
		return nil, err
	}
	for i, doc := range docs {
		items[i] = s.choose(doc)
	}
	return items, nil
}

// choose leaves of a document what was asked for: the fields, and what was expanded.
func (s selection) choose(doc map[string]any) map[string]any {
	if s.fields == nil {
		return doc
	}
	chosen := map[string]any{"id": doc["id"]}
	keep := func(name string) {
		if v, ok := doc[name]; ok {
			chosen[name] = v
		}
	}
	for _, name := range s.fields {
		keep(name)
	}
	for _, r := range s.expand {
		keep(r.top())
	}
	return chosen
}

// expand puts what the documents refer to beside its ids, read as the caller reads it: null is what he does not see, and
// what is not there. It is one statement for each kind referred to, however many documents and relations there are.
func (e entities) expand(ctx context.Context, c *call, relations []relation, docs []map[string]any) error {
	wanted := map[crm.Kind]map[uuid.UUID]bool{}
	for _, r := range relations {
		r.each(docs, func(_ map[string]any, to uuid.UUID) {
			if wanted[r.kind] == nil {
				wanted[r.kind] = map[uuid.UUID]bool{}
			}
			wanted[r.kind][to] = true
		})
	}
	maps.DeleteFunc(wanted, func(kind crm.Kind, _ map[uuid.UUID]bool) bool {
		return c.who.May(access.Resource(kind), access.Read) == ""
	})
	found := map[crm.Kind]map[uuid.UUID]any{}
	if len(wanted) > 0 {
		err := e.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
			for kind, ids := range wanted {
				read := e.readReferred
				if kind == userKind {
					read = readUsers
				}
				if found[kind], err = read(ctx, tx, c, kind, slices.Collect(maps.Keys(ids))); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, r := range relations {
		r.each(docs, func(holder map[string]any, to uuid.UUID) { holder[r.shownAs()] = found[r.kind][to] })
	}
	return nil
}

// each calls do for everything that has the relation's field, with the id there; the nil UUID where it is empty.
func (r relation) each(docs []map[string]any, do func(holder map[string]any, to uuid.UUID)) {
	for _, doc := range docs {
		holders := []any{doc}
		if r.list != "" {
			holders, _ = doc[r.list].([]any)
		}
		for _, h := range holders {
			holder, _ := h.(map[string]any)
			given, _ := holder[r.field].(string)
			to, _ := uuid.Parse(given) // the nil UUID is nobody's
			do(holder, to)
		}
	}
}

// readReferred reads entities as GET does; those that were deleted are not there.
func (e entities) readReferred(ctx context.Context, tx pgx.Tx, c *call, kind crm.Kind, ids []uuid.UUID) (map[uuid.UUID]any, error) {
	found, err := e.CRM.Get(ctx, tx, kind, ids)
	if err != nil {
		return nil, err
	}
	shown := make(map[uuid.UUID]any, len(found))
	for id, entity := range found {
		if crm.HeadOf(entity).DeletedAt != nil {
			continue
		}
		if shown[id], err = c.seen(entity); err != nil {
			return nil, err
		}
	}
	return shown, nil
}

func readUsers(ctx context.Context, tx pgx.Tx, _ *call, _ crm.Kind, ids []uuid.UUID) (map[uuid.UUID]any, error) {
	users, err := access.UsersByID(ctx, tx, ids)
	shown := make(map[uuid.UUID]any, len(users))
	for _, u := range users {
		shown[u.ID] = showUser(u)
	}
	return shown, err
}

// selectParameters are what a reader may say about how much he wants.
func (e entities) selectParameters() []*huma.Param {
	parameters := []*huma.Param{namesParameter(fieldsParameter, "Only these fields, separated by commas; id is always there.", e.fieldNames(), 2)}
	var names []string
	for _, r := range relationsOf(e.kind) {
		names = append(names, r.name())
	}
	if names != nil {
		parameters = append(parameters, namesParameter(expandParameter,
			"What it refers to, to be shown as a whole beside the id, separated by commas; null is what you may not see.", names, 1))
	}
	return parameters
}

// namesParameter takes some of the names, separated by commas; the last few are the example.
func namesParameter(name, description string, names []string, shown int) *huma.Param {
	enum := make([]any, len(names))
	for i, n := range names {
		enum[i] = n
	}
	together, least := false, 1
	p := queryParameter(name, description, &huma.Schema{
		Type: huma.TypeArray, MinItems: &least, Items: &huma.Schema{Type: huma.TypeString, Enum: enum},
	}, names[len(names)-shown:])
	p.Style, p.Explode = "form", &together
	return p
}

// embedSelection adds a component for what reading answers. It says field by field what the entity's schema does, but
// requires none but the id: fields are left out by choice, and by the rules of roles.
func (d *document) embedSelection(k crm.Kind, schema entitySchema) {
	properties := map[string]any{}
	known, _ := schema.Document()["properties"].(map[string]any)
	at := componentsPath + componentName(k) + "/properties/"
	for name := range known {
		properties[name] = map[string]any{"$ref": at + name}
	}
	lists := map[string]map[string]any{} // the properties of their items
	for _, r := range relationsOf(k) {
		into := properties
		if r.list != "" {
			if lists[r.list] == nil {
				lists[r.list] = itemProperties(known[r.list], at+r.list+"/items/properties/")
				properties[r.list] = map[string]any{"type": huma.TypeArray, "items": map[string]any{
					"type": huma.TypeObject, "additionalProperties": false, "properties": lists[r.list],
				}}
			}
			into = lists[r.list]
		}
		component := "User"
		if r.kind != userKind {
			component = selectionName(r.kind)
		}
		into[r.shownAs()] = map[string]any{
			"description": "What " + r.field + " says, where it is expanded and you may see it.",
			"anyOf":       []any{map[string]any{"$ref": componentsPath + component}, map[string]any{"type": "null"}},
		}
	}
	name := selectionName(k)
	d.schemas.Map()[name] = &huma.Schema{Extensions: map[string]any{
		"description": componentName(k) + " as it was asked for: the fields chosen, of those that you may see, and what was expanded.",
		"type":        huma.TypeObject, "additionalProperties": false, "required": []any{"id"}, "properties": properties,
	}}
	d.entities[name] = true
}

func itemProperties(list any, at string) map[string]any {
	properties := map[string]any{}
	node, _ := list.(map[string]any)
	items, _ := node["items"].(map[string]any)
	known, _ := items["properties"].(map[string]any)
	for name := range known {
		properties[name] = map[string]any{"$ref": at + name}
	}
	return properties
}

// selectionName is the component of what reading a kind answers: OrderSelection.
func selectionName(k crm.Kind) string { return componentName(k) + "Selection" }

func (e entities) selectionContent(example any) *content {
	return &content{mediaType: jsonType, schema: reference(selectionName(e.kind)), example: example}
}
