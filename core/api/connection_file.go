package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"crmhub/core/access"
	"crmhub/core/connection"
	"crmhub/core/connector"
)

// receivedFile is what is known of a file that was handed over.
type receivedFile struct {
	Name   string `json:"name" doc:"As it lies there."`
	Size   int64  `json:"size" doc:"Bytes."`
	SHA256 string `json:"sha256" doc:"Of its bytes, in hexadecimal."`
}

const maxGiven = 64 << 20

// giveFile understands no Idempotency-Key: to know a file again it would have to be read to its end. Sent twice, its name is taken.
func (s *server) giveFile() operation {
	name := queryParameter("name", "What the file is called, without folders. It says what the file holds, as the connection is configured.",
		&huma.Schema{Type: huma.TypeString, Pattern: fileNameForm}, "payments-2026-05.csv")
	name.Required = true
	return operation{
		id: "give-file-to-connection", needs: may(access.Connections, access.Update), tag: "connections", summary: "Hand a file to a connection",
		description: "Up to 64 MiB, sent as they are, into the folder that the connection reads; the answer comes when the file is safely there. The next run of its jobs takes it.",
		parameters:  []*huma.Param{name},
		body:        fileContent("number,customer,date,currency,amount\nP-1,C-000001,2026-05-04,EUR,12.50\n", bytesType), upload: maxGiven,
		status: http.StatusCreated, result: jsonBody(s.document, receivedFile{Name: "payments-2026-05.csv", Size: 75, SHA256: "5f" + strings.Repeat("0", 62)}),
		problems: []int{http.StatusConflict},
		serve: func(ctx context.Context, c *call) (answer, error) {
			found, err := s.findConnection(ctx, c)
			if err != nil {
				return answer{}, err
			}
			name, err := c.fileName()
			if err != nil {
				return answer{}, err
			}
			sum, size := sha256.New(), counter(0)
			err = s.give(ctx, found, name, io.TeeReader(c.request.Body, io.MultiWriter(sum, &size)))
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusCreated, receivedFile{Name: name, Size: int64(size), SHA256: hex.EncodeToString(sum.Sum(nil))})
		},
	}
}

// counter counts bytes.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// give hands a file to a session of its own.
func (s *server) give(ctx context.Context, to connection.Connection, name string, content io.Reader) (err error) {
	session, err := s.Connections.Open(to)
	if err != nil {
		return &Problem{
			Type: problemType("connection"), Title: "The connection cannot be opened", Status: http.StatusConflict,
			Detail: "Enter its configuration and secrets again.",
		}
	}
	defer func() { _ = session.Close() }() // what was stored stays
	receiver, ok := session.(connector.Receiver)
	if !ok {
		return &Problem{Type: problemType("no-files"), Title: "The connection takes no files", Status: http.StatusConflict, Detail: "A connection of the connector file does."}
	}
	return givingProblem(receiver.Receive(ctx, name, content))
}

// givingProblem is the answer to a file that was not stored.
func givingProblem(err error) error {
	e, ok := errors.AsType[*connector.Error](err)
	if _, big := errors.AsType[*http.MaxBytesError](err); !ok || big || errors.Is(err, context.Canceled) {
		return err
	}
	detail := strings.TrimSpace(e.Message + ". " + e.Remedy)
	switch e.Class {
	case connector.ClassData:
		return parameterFault("name", "stream", detail)
	case connector.ClassConflict:
		return &Problem{Type: problemType("taken"), Title: "The name is taken", Status: http.StatusConflict, Detail: detail}
	case connector.ClassTransient, connector.ClassQuota:
		return &Problem{
			Type: problemType("unavailable"), Title: "The folder cannot be reached", Status: http.StatusServiceUnavailable, Detail: detail,
			header: http.Header{"Retry-After": {"5"}},
		}
	default:
		return &Problem{Type: problemType("connection"), Title: "The connection does not work", Status: http.StatusConflict, Detail: cmp.Or(detail, "Check it.")}
	}
}
