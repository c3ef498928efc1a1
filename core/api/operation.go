package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// route is an operation at its place: "GET /customers/{id}".
type route struct {
	pattern string
	operation
}

// operation is what a route does, and how the document describes it. What is declared here is enforced: a query
// parameter that is not is refused, and so is a body where there should be none or of another media type.
type operation struct {
	id          string
	needs       need
	tag         string
	summary     string
	description string
	parameters  []*huma.Param // in query and header; the path's {id} is known
	filtered    bool          // each query parameter may carry an operator: total[ge]
	body        *content      // nil: none
	most        int64         // bytes that a body has at most; 0: maxBody
	upload      int64         // the most bytes of a body that serve reads by itself, as it comes; 0: it is read before
	status      int           // of success
	result      *content      // nil: success has no body
	versioned   bool          // the result carries an ETag
	located     bool          // the result carries a Location
	problems    []int         // besides those that any operation may answer
	keyed       bool          // understands Idempotency-Key
	together    bool          // shares its round trips with others, and takes turns for these
	serve       serving
}

// describe returns the operation as OpenAPI has it.
func (r route) describe() *huma.Operation {
	method, path, _ := strings.Cut(r.pattern, " ")
	op := &huma.Operation{
		Method: method, Path: path,
		OperationID: r.id, Summary: r.summary, Description: r.description, Tags: []string{r.tag},
		Responses: map[string]*huma.Response{},
	}
	if r.needs.resource != "" {
		op.Description = strings.TrimSpace(op.Description + " Needs the permission " + r.needs.String() + ".")
	}
	if r.needs.public {
		op.Security = []map[string][]string{{}}
	}
	if r.onOne() {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: "id", In: "path", Required: true,
			Schema: &huma.Schema{Type: huma.TypeString, Format: "uuid"}, Example: exampleID,
		})
	}
	op.Parameters = append(op.Parameters, r.parameters...)
	if r.keyed {
		op.Parameters = append(op.Parameters, idempotencyKeyParameter())
	}
	if r.body != nil {
		op.RequestBody = &huma.RequestBody{Required: true, Content: r.body.describe()}
	}
	success := &huma.Response{Description: http.StatusText(r.status), Headers: map[string]*huma.Param{}}
	if r.result != nil {
		success.Content = r.result.describe()
	}
	if r.versioned {
		success.Headers["ETag"] = &huma.Param{
			Description: "The version, to be sent back as If-Match.", Schema: &huma.Schema{Type: huma.TypeString}, Example: `"7"`,
		}
	}
	if r.located {
		success.Headers["Location"] = &huma.Param{Description: "Where it is.", Schema: &huma.Schema{Type: huma.TypeString, Format: "uri-reference"}}
	}
	op.Responses[strconv.Itoa(r.status)] = success
	for _, status := range r.mayFail() {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + problemName(status)}
	}
	return op
}

// onOne reports whether the path names one thing, by its id.
func (r route) onOne() bool { return strings.Contains(r.pattern, "{id}") }

// read reports whether the route only tells something, at once: a file takes as long as the client does. Reads end after a while (patience), and wait for
// a turn at the database: writes are short, or ask other systems meanwhile.
func (r route) read() bool {
	return strings.HasPrefix(r.pattern, http.MethodGet+" ") && r.result != nil && r.result.mediaType == jsonType
}

// mayFail lists the statuses of the problems that the route may answer.
func (r route) mayFail() []int {
	all := append([]int{
		http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError, http.StatusServiceUnavailable,
	}, r.problems...)
	if r.onOne() {
		all = append(all, http.StatusNotFound)
	}
	if r.body != nil {
		all = append(all, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity)
	}
	if r.keyed {
		all = append(all, http.StatusConflict, http.StatusUnprocessableEntity)
	}
	return all
}

// knows reports whether the operation declares a parameter of this name in the query.
func (o operation) knows(name string) bool {
	if o.filtered {
		name, _, _ = strings.Cut(name, "[")
		if strings.HasPrefix(name, "ext.") {
			return true // whether it names a custom field is for the store to say
		}
	}
	for _, p := range o.parameters {
		if p.In == "query" && p.Name == name {
			return true
		}
	}
	return false
}

func queryParameter(name, description string, schema *huma.Schema, example any) *huma.Param {
	return &huma.Param{Name: name, In: "query", Description: description, Schema: schema, Example: example}
}
