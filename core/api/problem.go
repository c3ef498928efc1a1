package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"

	"crmhub/core/access"
	"crmhub/core/connection"
	"crmhub/core/crm"
	"crmhub/core/duplicate"
	"crmhub/core/edit"
	"crmhub/core/inbox"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/listview"
	"crmhub/core/matching"
	"crmhub/core/notify"
	"crmhub/core/postgres"
	"crmhub/core/reconcile"
	"crmhub/core/revision"
	"crmhub/core/schema"
	"crmhub/core/transfer"
)

// Problem is an error as the API answers it: RFC 9457, application/problem+json.
type Problem struct {
	Type       string      `json:"type" doc:"Stable and machine-readable: urn:crmhub:problem: and a name." example:"urn:crmhub:problem:invalid"`
	Title      string      `json:"title" doc:"What kind of problem it is; the same for each of its type." example:"The body breaks a rule"`
	Status     int         `json:"status" doc:"The HTTP status." example:"422"`
	Detail     string      `json:"detail,omitempty" doc:"What went wrong this time."`
	Instance   string      `json:"instance,omitempty" doc:"The request, as the logs name it." example:"urn:crmhub:request:0199a1b2-0000-7000-8000-000000000001"`
	Violations []Violation `json:"violations,omitempty" doc:"Everything that is wrong with the input, not only the first."`
	Version    int64       `json:"version,omitempty" doc:"With 412: the version stored now." example:"7"`
	Permission string      `json:"permission,omitempty" doc:"With 403: what is missing." example:"order:update"`
	Allowed    []string    `json:"allowed,omitempty" doc:"What would have been accepted instead." example:"[\"approved\",\"cancelled\"]"`

	// Matches is what is there already.
	Matches []duplicate.Match `json:"matches,omitempty" doc:"With 409: what may be the same; of what you may not see, its class and its owner's name only."`

	header http.Header
}

// Violation is one thing wrong with a request: in its body (pointer) or in a path, query or header parameter.
type Violation struct {
	Pointer   *string `json:"pointer,omitempty" doc:"JSON pointer (RFC 6901) into the body; empty is the whole." example:"/lines/0/qty"`
	Parameter string  `json:"parameter,omitempty" doc:"Name of the path, query or header parameter." example:"limit"`
	Rule      string  `json:"rule" doc:"Stable and machine-readable: a JSON Schema keyword or a rule of the hub." example:"required"`
	Message   string  `json:"message" doc:"A sentence for people." example:"is missing"`
}

func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// statusClientGone is what the log says when the client did not wait for the answer; nobody receives it.
const statusClientGone = 499

// problemOf maps an error to its answer. It is the only place that does.
// What it does not know is the hub's fault: a 500 that says nothing but the request's id.
func problemOf(err error) *Problem {
	var (
		p   *Problem
		vs  schema.Violations
		ps  parameterFaults
		big *http.MaxBytesError
		old *crm.StaleError
		not *edit.ForbiddenError
		dup *edit.DuplicateError

		taken    *link.TakenError
		locked   *access.LockedError
		standing *transfer.StatusError
		decided  *inbox.StatusError
		worse    *revision.WorseError
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &ps):
		return &Problem{Type: problemType("parameters"), Title: "A parameter is wrong", Status: http.StatusBadRequest, Detail: ps.Error(), Violations: ps}
	case errors.As(err, &vs):
		return invalid(vs)
	case errors.As(err, &old):
		return stale(old.Stored)
	case errors.As(err, &not):
		return forbidden(may(not.Resource, not.Actions...), not.Detail)
	case errors.As(err, &dup):
		return &Problem{
			Type: problemType("duplicate"), Title: "It is there already", Status: http.StatusConflict,
			Detail: "Use what is there, ask its owner, or send it again with ?duplicates=accept.", Matches: dup.Matches,
		}
	case errors.Is(err, connection.ErrStale):
		return stale(0)
	case errors.Is(err, postgres.ErrNotFound):
		return notFound()
	case errors.Is(err, listview.ErrNotYours):
		return &Problem{Type: problemType("forbidden"), Title: "You may not do that", Status: http.StatusForbidden, Detail: "Only the owner of a view changes it."}
	case errors.Is(err, link.ErrBusy):
		return &Problem{
			Type: problemType("busy"), Title: "It is being sent to another system", Status: http.StatusConflict, Detail: "Try again in a moment.",
			header: http.Header{"Retry-After": {"5"}},
		}
	case errors.Is(err, notify.ErrMail):
		return &Problem{Type: problemType("no-secret"), Title: "A mail has no secret", Status: http.StatusConflict, Detail: "Only webhooks are signed."}
	case errors.Is(err, matching.ErrRunning):
		return &Problem{Type: problemType("status"), Title: "Its status forbids that", Status: http.StatusConflict, Detail: "The matching has not ended."}
	case errors.Is(err, reconcile.ErrRunning):
		return &Problem{Type: problemType("status"), Title: "Its status forbids that", Status: http.StatusConflict, Detail: "The reconciliation has not ended."}
	case errors.As(err, &taken):
		return &Problem{
			Type: problemType("linked"), Title: "It is linked already", Status: http.StatusConflict,
			Detail: fmt.Sprintf("%s %s is linked with record %s.", taken.By.Entity, taken.By.EntityID, taken.By.RemoteID),
		}
	case errors.As(err, &locked):
		return tooManyAttempts(locked)
	case errors.Is(err, access.ErrSecondFactor):
		return secondFactorProblem()
	case errors.Is(err, postgres.ErrPlace):
		return problemOf(parameterFault(afterParameter, "cursor", "is not what a list gave as next"))
	case errors.Is(err, job.ErrDryCursor):
		return invalid(schema.Violations{{Pointer: "/after", Rule: "cursor", Message: "is not what a dry run gave as next"}})
	case errors.As(err, &worse):
		return &Problem{
			Type: problemType("worse"), Title: "Records would fail that are well now", Status: http.StatusConflict,
			Detail: worse.Error() + ". Its effect says which and why.",
		}
	case errors.Is(err, revision.ErrStatus):
		return &Problem{Type: problemType("status"), Title: "Its status forbids that", Status: http.StatusConflict, Detail: "There is nothing to publish or take back: " + err.Error() + "."}
	case errors.Is(err, access.ErrInUse):
		return &Problem{Type: problemType("in-use"), Title: "It is in use", Status: http.StatusConflict, Detail: "Something depends on it: move that away first."}
	case isRefused(err):
		return &Problem{Type: problemType("forbidden"), Title: "You may not do that", Status: http.StatusForbidden, Detail: "What you write would be out of your reach."}
	case errors.As(err, &big):
		return &Problem{Type: problemType("too-large"), Title: "The body is too large", Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("a body has at most %d MiB here", big.Limit>>20)}
	case errors.Is(err, job.ErrRunState):
		return &Problem{
			Type: problemType("status"), Title: "Its status forbids that", Status: http.StatusConflict, Detail: "The run does not stand where this makes sense: " + err.Error() + ".",
		}
	case errors.Is(err, job.ErrRunning):
		return &Problem{Type: problemType("status"), Title: "Its status forbids that", Status: http.StatusConflict, Detail: "A run of the job executes: cancel it first."}
	case errors.As(err, &decided):
		return &Problem{
			Type: problemType("status"), Title: "Its status forbids that", Status: http.StatusConflict, Detail: "It is " + string(decided.Status) + ", or the same file came again.",
		}
	case errors.As(err, &standing):
		return &Problem{
			Type: problemType("status"), Title: "Its status forbids that", Status: http.StatusConflict, Detail: "It is " + string(standing.Status) + ".",
		}
	case errors.Is(err, context.Canceled):
		return &Problem{Type: problemType("client-gone"), Title: "The client went away", Status: statusClientGone}
	case errors.Is(err, context.DeadlineExceeded):
		return &Problem{
			Type: problemType("too-long"), Title: "It took too long", Status: http.StatusServiceUnavailable,
			Detail: "A read is given up after half a minute. Narrow what you ask for, or ask less at the same time.",
			header: http.Header{"Retry-After": {"10"}},
		}
	case postgres.Full(err):
		return &Problem{
			Type: problemType("unavailable"), Title: "The database's disk is full", Status: http.StatusServiceUnavailable,
			Detail: "Nothing was changed. Once there is room again, repeat the request, with its Idempotency-Key.",
			header: http.Header{"Retry-After": {"30"}},
		}
	case errors.Is(err, syscall.ENOSPC):
		return &Problem{
			Type: problemType("unavailable"), Title: "The hub's disk is full", Status: http.StatusServiceUnavailable,
			Detail: "Nothing was changed. Once there is room for temporary files again, repeat the request, with its Idempotency-Key.",
			header: http.Header{"Retry-After": {"30"}},
		}
	case postgres.Unavailable(err):
		return &Problem{
			Type: problemType("unavailable"), Title: "The database cannot be reached", Status: http.StatusServiceUnavailable,
			Detail: "Nothing was changed unless the answer was lost on its way: repeat the request, with its Idempotency-Key.",
			header: http.Header{"Retry-After": {"2"}},
		}
	}
	return internal()
}

// isRefused reports whether the database kept a row from who wanted to write it. The operations ask before; this is the fence.
func isRefused(err error) bool {
	code, _ := postgres.ErrorCode(err)
	return code == "42501"
}

func problemType(name string) string { return "urn:crmhub:problem:" + name }

func internal() *Problem {
	return &Problem{
		Type: problemType("internal"), Title: "The hub failed", Status: http.StatusInternalServerError,
		Detail: "The failure is in the log under the id of the request.",
	}
}

// invalid is the answer to a body that breaks rules of its schema or of the store.
func invalid(vs schema.Violations) *Problem {
	p := &Problem{Type: problemType("invalid"), Title: "The body breaks a rule", Status: http.StatusUnprocessableEntity, Detail: vs.Error()}
	for _, v := range vs {
		p.Violations = append(p.Violations, Violation{Pointer: &v.Pointer, Rule: v.Rule, Message: v.Message})
	}
	return p
}

func notFound() *Problem {
	return &Problem{Type: problemType("not-found"), Title: "There is no such thing", Status: http.StatusNotFound, Detail: "There is nothing with this id."}
}

func unauthenticated(detail string) *Problem {
	return &Problem{
		Type: problemType("unauthenticated"), Title: "Sign in first", Status: http.StatusUnauthorized, Detail: detail,
		header: http.Header{"Www-Authenticate": {`Bearer realm="crmhub"`}},
	}
}

func unreadable(detail string) *Problem {
	return &Problem{Type: problemType("syntax"), Title: "The request cannot be read", Status: http.StatusBadRequest, Detail: detail}
}

// parameterFaults is everything wrong with the parameters of a request.
type parameterFaults []Violation

func (fs parameterFaults) Error() string {
	var s strings.Builder
	for i, f := range fs {
		if i > 0 {
			s.WriteString("; ")
		}
		s.WriteString(f.Parameter + ": " + f.Message)
	}
	return s.String()
}

func (fs *parameterFaults) add(parameter, rule, message string) {
	*fs = append(*fs, Violation{Parameter: parameter, Rule: rule, Message: message})
}

func (fs parameterFaults) err() error {
	if len(fs) == 0 {
		return nil
	}
	return fs
}

func parameterFault(parameter, rule, message string) error {
	return parameterFaults{{Parameter: parameter, Rule: rule, Message: message}}
}
