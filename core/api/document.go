package api

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"crmhub/core/audit"
	"crmhub/core/crm"
	"crmhub/core/drift"
	"crmhub/core/inbox"
	"crmhub/core/mapping"
	"crmhub/core/matching"
	"crmhub/core/schema"
	"crmhub/core/transfer"
)

// document is the OpenAPI 3.1 description, built from the routes that are served.
type document struct {
	openapi  *huma.OpenAPI
	schemas  huma.Registry
	entities map[string]bool // the components that are schemas of entities
	inputs   map[string]bool // the components that judge bodies
}

const componentsPath = "#/components/schemas/"

// prefix is where the API is mounted.
const prefix = "/api/v1"

func newDocument(version string) *document {
	schemas := huma.NewMapRegistry(componentsPath, nameSchema)
	schemas.RegisterTypeAlias(reflect.TypeFor[uuid.UUID](), reflect.TypeFor[identifier]())
	schemas.RegisterTypeAlias(reflect.TypeFor[audit.Hash](), reflect.TypeFor[digest]())
	schemas.RegisterTypeAlias(reflect.TypeFor[crm.Finding](), reflect.TypeFor[finding]())
	return &document{schemas: schemas, entities: map[string]bool{}, inputs: map[string]bool{}, openapi: &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "crmhub", Version: version,
			Description: "Customers and what the company knows of them, from the first campaign to the last ticket, and the hub that keeps it equal in other systems. " +
				"Amounts are decimal strings, times are UTC, errors are problem+json (RFC 9457).",
		},
		Servers:  []*huma.Server{{URL: prefix}},
		Security: []map[string][]string{{"token": {}}, {"session": {}}},
		Components: &huma.Components{
			Schemas:   schemas,
			Responses: problemResponses(schemas),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"token":   {Type: "http", Scheme: "bearer", BearerFormat: "chb_…", Description: "An API token."},
				"session": {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "The session of the console."},
			},
		},
		Tags: []*huma.Tag{
			{Name: "entities", Description: "What the company knows. Each kind has the same operations."},
			{Name: "attachments", Description: "The files that belong to entities."},
			{Name: "finance", Description: "Invoices that come as files, and which payments pay which invoices."},
			{Name: "search", Description: "What is found by a text, whatever it is."},
			{Name: "duplicates", Description: "What may be there twice, and making one of two."},
			{Name: "privacy", Description: "A person's data, erased at his request."},
			{Name: "upkeep", Description: "What is to be seen to, the pool of customers that nobody looks after with its rules, and handing over what a user owns."},
			{Name: "connections", Description: "Other systems, as configured."},
			{Name: "mappings", Description: "How entities and records correspond on a connection; an organization's own versions of that."},
			{Name: "jobs", Description: "Scheduled sync work and its runs."},
			{Name: "links", Description: "Which entity is which record on which connection."},
			{Name: "matchings", Description: "Two systems that both hold data: which record is which entity, proposed and reviewed."},
			{Name: "conflicts", Description: "Fields that both sides changed, for a person to decide."},
			{Name: "reconciliations", Description: "Both sides compared: the proof that the sync worked, and what to mend."},
			{Name: "dead-letters", Description: "What could not be carried, with its cause."},
			{Name: "alerts", Description: "What an administrator should look at, opened and resolved by itself, and from when on."},
			{Name: "subscriptions", Description: "Who outside is told of what happens here, by webhook or mail, and what was delivered."},
			{Name: "imports", Description: "Files that come in: sensed, previewed, run, undone."},
			{Name: "exports", Description: "Lists that go out as files."},
			{Name: "reports", Description: "What it all comes to: numbers with their definitions, the records behind them, and targets."},
			{Name: "audit", Description: "Who did what, with before and after, and whether anybody changed that afterwards."},
			{Name: "access", Description: "Who is calling, how they sign in and what they may do; users, roles, departments and teams; API tokens."},
		},
	}}
}

// identifier stands for UUIDs in schemas.
type identifier struct{}

// Schema is what huma takes for an identifier.
func (identifier) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "uuid"}
}

// digest stands for hashes in schemas.
type digest struct{}

// Schema is what huma takes for a digest.
func (digest) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: "^[0-9a-f]{64}$"}
}

// finding stands for findings on invoices in schemas: the tags of entities are another dialect.
type finding struct {
	Rule     string `json:"rule" doc:"Of EN 16931, such as BR-CO-10."`
	Severity string `json:"severity" enum:"fatal,warning"`
	Place    string `json:"place,omitempty" doc:"The element: /Invoice/cac:InvoiceLine[2]"`
	Message  string `json:"message,omitempty"`
}

// nameSchema names a Go type's component: as the type, unless two rooms have one of that name.
func nameSchema(t reflect.Type, hint string) string {
	switch t {
	case reflect.TypeFor[schema.Violation]():
		return "RecordViolation" // of a record; Violation is of a request
	case reflect.TypeFor[audit.Report]():
		return "AuditReport" // Report is an analysis
	case reflect.TypeFor[transfer.Column]():
		return "ImportColumn" // Column is a report's
	case reflect.TypeFor[mapping.Difference]():
		return "FieldDifference" // Difference is one that a reconciliation found
	case reflect.TypeFor[matching.Counts]():
		return "MatchingCounts" // Counts are a run's
	case reflect.TypeFor[matching.Done]():
		return "MatchingDone" // Done is a reconciliation's
	case reflect.TypeFor[drift.Finding]():
		return "DriftFinding" // Finding is one about an invoice
	case reflect.TypeFor[inbox.Candidate]():
		return "InboxCandidate" // Candidate is a matching's
	}
	return huma.DefaultSchemaNamer(t, hint)
}

// schemaOf returns a reference to the schema that T's fields and tags give.
func schemaOf[T any](d *document) *huma.Schema {
	return d.schemas.Schema(reflect.TypeFor[T](), true, "")
}

// embed puts a JSON Schema among the components as it is, but for references into itself: they count from the
// document's root now.
func (d *document) embed(name string, root map[string]any) {
	embedded, _ := rebase(root, componentsPath+name).(map[string]any)
	delete(embedded, "$schema")
	d.schemas.Map()[name] = &huma.Schema{Extensions: embedded}
	d.entities[name] = true
}

func rebase(v any, root string) any {
	switch v := v.(type) {
	case map[string]any:
		members := make(map[string]any, len(v))
		for k, member := range v {
			if ref, ok := member.(string); ok && k == "$ref" && strings.HasPrefix(ref, "#") {
				member = root + ref[1:]
			}
			members[k] = rebase(member, root)
		}
		return members
	case []any:
		items := make([]any, len(v))
		for i := range v {
			items[i] = rebase(v[i], root)
		}
		return items
	}
	return v
}

// reference points at an embedded schema.
func reference(name string) *huma.Schema { return &huma.Schema{Ref: componentsPath + name} }

// openAnswers lets what is only ever answered gain fields without breaking who checks answers by the document.
// What is taken in stays closed: a field that is not known is refused.
func (d *document) openAnswers() {
	for name, s := range d.schemas.Map() {
		if !d.inputs[name] && !d.entities[name] {
			s.AdditionalProperties = nil
		}
	}
}

func (d *document) add(r route) { d.openapi.AddOperation(r.describe()) }

// problemName names the response component of a status: 412 is PreconditionFailed.
func problemName(status int) string { return strings.ReplaceAll(http.StatusText(status), " ", "") }

// problemResponses are the answers that operations have in common, each with an example.
func problemResponses(schemas huma.Registry) map[string]*huma.Response {
	pointer := "/lines/0/qty"
	shown := []Problem{
		{Type: problemType("parameters"), Title: "A parameter is wrong", Status: 400, Violations: []Violation{{Parameter: "limit", Rule: "maximum", Message: "must be at most 200"}}},
		{Type: problemType("unauthenticated"), Title: "Sign in first", Status: 401},
		{Type: problemType("forbidden"), Title: "You may not do that", Status: 403, Detail: "It needs the permission order:update.", Permission: "order:update"},
		{Type: problemType("not-found"), Title: "There is no such thing", Status: 404, Detail: "There is nothing with this id."},
		{Type: problemType("in-flight"), Title: "The request is still running", Status: 409},
		{Type: problemType("stale"), Title: "It has changed since you read it", Status: 412, Version: 7},
		{Type: problemType("too-large"), Title: "The body is too large", Status: 413},
		{Type: problemType("media-type"), Title: "The body has another media type", Status: 415, Allowed: []string{jsonType}},
		{Type: problemType("invalid"), Title: "The body breaks a rule", Status: 422, Violations: []Violation{{Pointer: &pointer, Rule: "exclusiveMinimum", Message: "must be greater than 0"}}},
		{Type: problemType("precondition-required"), Title: "Say which version you saw", Status: 428},
		{Type: problemType("too-many-attempts"), Title: "Too many attempts", Status: 429, Detail: "Too much was tried in vain. Try again in 30 seconds."},
		{Type: problemType("remote"), Title: "The other system cannot be read", Status: 424, Detail: "connection refused"},
		{Type: problemType("unavailable"), Title: "The database cannot be reached", Status: 503},
		{Type: problemType("internal"), Title: "The hub failed", Status: 500, Instance: "urn:crmhub:request:0199a1b2-0000-7000-8000-000000000001"},
	}
	problem := schemas.Schema(reflect.TypeFor[Problem](), true, "")
	responses := make(map[string]*huma.Response, len(shown))
	for _, p := range shown {
		responses[problemName(p.Status)] = &huma.Response{
			Description: p.Title, Content: map[string]*huma.MediaType{problemJSON: {Schema: problem, Example: p}},
		}
	}
	return responses
}
