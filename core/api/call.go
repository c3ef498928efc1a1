package api

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/telemetry"
)

// call is one request on its way through an operation.
type call struct {
	request *http.Request
	route   route
	who     access.Identity
	trace   telemetry.TraceParent
	query   url.Values
	body    []byte
}

const maxBody = 1 << 20

// read takes in what the request says and refuses what its operation does not declare.
func (c *call) read(w http.ResponseWriter) error {
	var err error
	if c.query, err = url.ParseQuery(c.request.URL.RawQuery); err != nil {
		return parameterFault("", "syntax", "the query cannot be parsed")
	}
	var faults parameterFaults
	for _, name := range slices.Sorted(maps.Keys(c.query)) {
		value := c.query.Get(name)
		switch {
		case !c.route.knows(name):
			faults.add(name, "unknown", "this parameter does not exist here")
		case len(c.query[name]) > 1:
			faults.add(name, "repeated", "is given more than once")
		case strings.ContainsRune(value, 0) || !utf8.ValidString(value):
			faults.add(name, "format", "must be UTF-8 without NUL characters")
		}
	}
	if key, given := c.idempotencyKey(); given {
		switch {
		case c.route.keyed && !idempotencyKeyForm.MatchString(key):
			faults.add("Idempotency-Key", "format", "must be 1 to 128 visible ASCII characters")
		case !c.route.keyed && c.request.Method != http.MethodGet && key != "":
			faults.add("Idempotency-Key", "unknown", "is not understood here")
		}
	}
	if err := faults.err(); err != nil {
		return err
	}
	return c.readBody(w)
}

func (c *call) readBody(w http.ResponseWriter) error {
	var err error
	if c.route.upload > 0 {
		c.request.Body = http.MaxBytesReader(w, c.request.Body, c.route.upload)
		return c.judgeMediaType()
	}
	c.body, err = io.ReadAll(http.MaxBytesReader(w, c.request.Body, cmp.Or(c.route.most, maxBody)))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return err
	}
	if err != nil {
		return unreadable("The body ended early.")
	}
	if c.route.body == nil {
		if len(c.body) > 0 {
			return unreadable("This operation takes no body.")
		}
		return nil
	}
	return c.judgeMediaType()
}

func (c *call) judgeMediaType() error {
	types := append([]string{c.route.body.mediaType}, c.route.body.also...)
	given := c.request.Header.Get("Content-Type")
	mediaType, parameters, err := mime.ParseMediaType(given)
	charset := parameters["charset"] // of a file, whose bytes tell, it does not count
	if err != nil || !slices.Contains(types, mediaType) || charset != "" && c.route.upload == 0 && !strings.EqualFold(charset, "utf-8") {
		return &Problem{
			Type: problemType("media-type"), Title: "The body has another media type", Status: http.StatusUnsupportedMediaType,
			Detail: "The Content-Type must be " + strings.Join(types, " or ") + ".", Allowed: types,
			header: http.Header{acceptHeader(c.request.Method): {strings.Join(types, ", ")}},
		}
	}
	return nil
}

// id reads an identifier in the path.
func (c *call) id() (uuid.UUID, error) {
	given := c.request.PathValue("id")
	id, err := uuid.Parse(given)
	if err != nil || len(given) != 36 {
		return uuid.Nil, parameterFault("id", "format", "must be a UUID")
	}
	return id, nil
}

// version reads If-Match: the version that the caller has seen. 0 means any ("*").
func (c *call) version() (int64, error) {
	given := c.request.Header.Get("If-Match")
	switch given {
	case "":
		return 0, &Problem{
			Type: problemType("precondition-required"), Title: "Say which version you saw", Status: http.StatusPreconditionRequired,
			Detail: "Send If-Match with the ETag of the answer you read it from.",
		}
	case "*":
		return 0, nil
	}
	v, err := strconv.ParseInt(strings.Trim(given, `"`), 10, 64)
	if err != nil || v < 1 || given != etag(v) {
		return 0, parameterFault("If-Match", "format", `must be an ETag of this API, such as "7", or *`)
	}
	return v, nil
}

// by is what the store writes down about the author of a change.
func (c *call) by() crm.By {
	return crm.By{Actor: c.who.Principal.Actor, Origin: "crm", TraceParent: string(c.trace)}
}

// author is the caller as one who writes.
func (c *call) author() edit.Author { return edit.Author{Identity: c.who, By: c.by()} }

func etag(version int64) string { return fmt.Sprintf(`"%d"`, version) }

// acceptHeader names the header that tells which media types a method takes: Accept-Post, Accept-Patch.
func acceptHeader(method string) string { return http.CanonicalHeaderKey("Accept-" + method) }
