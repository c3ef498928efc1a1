package api

import (
	"context"
	"net/http"

	"github.com/google/uuid"
)

type me struct {
	Organization string    `json:"organization" doc:"Code of the organization acted in."`
	UserID       uuid.UUID `json:"user_id"`
	Login        string    `json:"login"`
	Name         string    `json:"name"`
	Locale       string    `json:"locale" enum:"en,zh-CN"`
	Actor        string    `json:"actor" doc:"As written to created_by and updated_by: user:<id>, or token:<id> when a token is used."`
}

func (s *server) showMe() operation {
	return operation{
		id: "get-me", tag: "access", summary: "Say who is calling",
		status: http.StatusOK, result: jsonBody(s.document, me{
			Organization: "main", UserID: uuid.MustParse(exampleID), Login: "erika", Name: "Erika Muster", Locale: "en", Actor: exampleActor,
		}),
		serve: func(_ context.Context, c *call) (answer, error) {
			return respond(http.StatusOK, me{
				Organization: c.who.Organization, UserID: c.who.UserID, Login: c.who.Login, Name: c.who.Name, Locale: c.who.Locale,
				Actor: string(c.who.Principal.Actor),
			})
		},
	}
}
