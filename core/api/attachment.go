package api

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/attachment"
	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/postgres"
)

const (
	bytesType = "application/octet-stream"

	// attachmentsField is what rules of roles call the files of an entity: a file may show what they hide of it.
	attachmentsField = "attachments"

	maxAttachment = 50 << 20

	fileNameForm = `^[^/\\\x00-\x1f\x7f]{1,300}$`
)

func (e entities) listAttachments() operation {
	return operation{
		id: "list-" + slug(string(e.kind)) + "-attachments", needs: may(e.resource(), access.Read), tag: "attachments", summary: "List the files of " + article(e.kind),
		description: "The newest first.", parameters: pageParameters(),
		status: http.StatusOK, result: jsonBody(e.document, list[attachment.File]{Items: []attachment.File{e.attachmentExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			var faults parameterFaults
			before, limit := c.idIn(afterParameter, &faults), parseLimit(c.query, &faults)
			return listed(ctx, e.server, c, faults, func(tx pgx.Tx) (p postgres.Page[attachment.File], err error) {
				if _, err := e.withFiles(ctx, tx, c, id); err != nil {
					return p, err
				}
				files, err := attachment.List(ctx, tx, attachment.Owner{Entity: string(e.kind), ID: id}, before, limit+1)
				return postgres.Cut(files, limit, func(f attachment.File) string { return f.ID.String() }), err
			})
		},
	}
}

// addAttachment understands no Idempotency-Key: to know a file again it would have to be read to its end.
func (e entities) addAttachment() operation {
	name := queryParameter("name", "What the file is called, without folders.", &huma.Schema{Type: huma.TypeString, Pattern: fileNameForm}, "contract.pdf")
	name.Required = true
	return operation{
		id: "attach-to-" + slug(string(e.kind)), needs: may(e.resource(), access.Update), tag: "attachments", summary: "Attach a file to " + article(e.kind),
		description: "Up to 50 MiB, sent as they are. What sort of file it is, its first bytes tell. The entity gets no new version.",
		parameters:  []*huma.Param{name},
		body:        fileContent("%PDF-1.7 …", bytesType), upload: maxAttachment,
		status: http.StatusCreated, result: jsonBody(e.document, e.attachmentExample()), located: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			err = e.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) error { return e.permitAttaching(ctx, tx, c, id) })
			if err != nil {
				return answer{}, err // before the file has come
			}
			name, err := c.fileName()
			if err != nil {
				return answer{}, err
			}
			received, err := attachment.Receive(c.request.Body)
			if err != nil {
				return answer{}, err
			}
			defer received.Close()
			var f attachment.File
			err = e.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
				if err := e.permitAttaching(ctx, tx, c, id); err != nil {
					return err
				}
				f, err = attachment.Add(ctx, tx, attachment.Owner{Entity: string(e.kind), ID: id}, name, received)
				return err
			})
			if err != nil {
				return answer{}, err
			}
			return created("/attachments", f.ID, f)
		},
	}
}

func (s *server) getAttachment() operation {
	return operation{
		id: "get-attachment", needs: maySome(access.Read), tag: "attachments", summary: "Say what is known of a file",
		status: http.StatusOK, result: jsonBody(s.document, s.attachmentExample()),
		serve: func(ctx context.Context, c *call) (answer, error) {
			return ok(s.attachmentIn(ctx, c))
		},
	}
}

func (s *server) attachmentFile() operation {
	return operation{
		id: "get-attachment-file", needs: maySome(access.Read), tag: "attachments", summary: "Get a file",
		description: "Byte by byte as it came in, to be saved and not to be shown: of the media type that its record says.",
		status:      http.StatusOK, result: fileContent("%PDF-1.7 …", "*/*"),
		serve: func(ctx context.Context, c *call) (answer, error) {
			f, err := s.attachmentIn(ctx, c)
			if err != nil {
				return answer{}, err
			}
			return answer{Status: http.StatusOK, file: &file{
				name: f.Name, mediaType: f.MediaType, size: f.Size,
				send: func(w io.Writer) error { return f.Write(ctx, s.DB, c.who.Principal, w) },
			}}, nil
		},
	}
}

func (s *server) deleteAttachment() operation {
	return operation{
		id: "delete-attachment", needs: maySome(access.Update), tag: "attachments", summary: "Delete a file", description: "For good. Needs the permission to update what it belongs to.",
		status: http.StatusNoContent, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			f, err := s.attachmentIn(ctx, c)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				if err := s.of(f).permitAttaching(ctx, tx, c, f.EntityID); err != nil {
					return answer{}, err
				}
				return answer{Status: http.StatusNoContent}, attachment.Delete(ctx, tx, f)
			})
		},
	}
}

// attachmentIn reads the file that the path names, if the caller sees it and what it belongs to.
func (s *server) attachmentIn(ctx context.Context, c *call) (f attachment.File, err error) {
	id, err := c.id()
	if err != nil {
		return f, err
	}
	err = s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) error {
		if f, err = attachment.Get(ctx, tx, id); err != nil {
			return err
		}
		if c.who.May(access.Resource(f.Entity), access.Read) == "" {
			return notFound()
		}
		_, err := s.of(f).withFiles(ctx, tx, c, f.EntityID)
		return err
	})
	return f, err
}

// of is the resource of what a file belongs to.
func (s *server) of(f attachment.File) entities { return entities{server: s, kind: crm.Kind(f.Entity)} }

// withFiles returns an entity whose files the caller may see.
func (e entities) withFiles(ctx context.Context, tx pgx.Tx, c *call, id uuid.UUID) (crm.Entity, error) {
	found, err := e.CRM.Get(ctx, tx, e.kind, []uuid.UUID{id})
	if err != nil {
		return nil, err
	}
	entity, err := e.present(found, id)
	if err != nil {
		return nil, err
	}
	if c.who.Hides(e.resource(), attachmentsField) {
		return nil, forbidden(may(e.resource(), access.Read), "You do not see the files of "+plural(e.kind)+".")
	}
	return entity, nil
}

// permitAttaching refuses who may not add to the files of an entity, or take from them.
func (e entities) permitAttaching(ctx context.Context, tx pgx.Tx, c *call, id uuid.UUID) error {
	entity, err := e.withFiles(ctx, tx, c, id)
	if err != nil {
		return err
	}
	if err := edit.Permit(c.who, entity, access.Update); err != nil {
		return err
	}
	if c.who.Field(e.resource(), attachmentsField) != access.FieldEdit {
		return forbidden(may(e.resource(), access.Update), "You may see the files of "+plural(e.kind)+" and not change them.")
	}
	return nil
}

func (e entities) attachmentExample() attachment.File {
	f := e.server.attachmentExample()
	f.Entity = string(e.kind)
	return f
}

func (*server) attachmentExample() attachment.File {
	return attachment.File{
		ID: uuid.MustParse(exampleID), Entity: string(crm.KindContract), EntityID: uuid.MustParse("0199a1b2-0000-7000-8000-000000000002"), Name: "contract.pdf",
		MediaType: "application/pdf", Size: 182_044, SHA256: "5f" + strings.Repeat("0", 62), CreatedAt: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC), CreatedBy: exampleActor,
	}
}

// fileName reads what the query calls an uploaded file.
func (c *call) fileName() (string, error) {
	var faults parameterFaults
	name := c.formIn("name", fileNameForm, &faults)
	if !c.query.Has("name") {
		faults.add("name", "required", "is required")
	}
	return name, faults.err()
}
