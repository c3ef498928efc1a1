package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"crmhub/core/access"
	"crmhub/core/schema"
)

// Token is an API token as the API shows it: never its secret, but once.
type Token struct {
	ID         uuid.UUID  `json:"id"`
	Name       string     `json:"name" doc:"What it is for."`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty" doc:"To the minute."`
	ExpiresAt  *time.Time `json:"expires_at,omitempty" doc:"Absent: never."`
	RevokedAt  *time.Time `json:"revoked_at,omitempty" doc:"Absent: it counts."`
	Scopes     []string   `json:"scopes" nullable:"false" doc:"What it may do of what you may: a resource, a colon and an action, where * is any. Empty: all of it." example:"[\"customer:read\",\"order:*\"]"`
}

// NewToken is a token just made.
type NewToken struct {
	Token
	Secret string `json:"token" doc:"The secret. It is shown this once and kept nowhere."`
}

type tokenInput struct {
	Name      string     `json:"name" minLength:"1" maxLength:"100" doc:"What it is for."`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When it stops counting; never if left out."`
	Scopes    []string   `json:"scopes,omitempty" nullable:"false" maxItems:"100" doc:"What it may do of what you may: a resource, a colon and an action, where * is any. Left out: all of it."`
}

func (s *server) listTokens() operation {
	return operation{
		id: "list-tokens", needs: may(access.Tokens, access.Read), tag: "access", summary: "List your API tokens", description: "The newest first, revoked ones too.",
		status: http.StatusOK, result: jsonBody(s.document, list[Token]{Items: []Token{tokenExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			tokens, err := s.Access.Tokens(ctx, c.who.Principal, c.who.UserID)
			if err != nil {
				return answer{}, err
			}
			shown := make([]Token, len(tokens))
			for i, t := range tokens {
				shown[i] = showToken(t)
			}
			return respond(http.StatusOK, page(c, shown, ""))
		},
	}
}

// createToken understands no Idempotency-Key: to repeat its answer the secret would have to be kept.
func (s *server) createToken() operation {
	expires := time.Date(2027, 9, 1, 0, 0, 0, 0, time.UTC)
	return operation{
		id: "create-token", needs: may(access.Tokens, access.Create), tag: "access", summary: "Create an API token",
		description: "It acts in your name. Its secret is in this answer and nowhere else, which is why an Idempotency-Key is refused here.",
		body:        jsonBody(s.document, tokenInput{Name: "nightly export", ExpiresAt: &expires, Scopes: []string{"order:read", "customer:*"}}),
		status:      http.StatusCreated, result: jsonBody(s.document, NewToken{tokenExample(), "chb_…"}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[tokenInput](c)
			if err != nil {
				return answer{}, err
			}
			if !c.who.MayGiveScopes(in.Scopes) {
				return answer{}, schema.Violations{{Pointer: "/scopes", Rule: "permission", Message: "must be within the scopes of the token you use"}}
			}
			t, secret, err := s.Access.AddToken(ctx, c.who.Principal, c.who.UserID, in.Name, in.ExpiresAt, in.Scopes...)
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusCreated, NewToken{showToken(t), secret})
		},
	}
}

func (s *server) revokeToken() operation {
	return operation{
		id: "revoke-token", needs: may(access.Tokens, access.Delete), tag: "access", summary: "Revoke one of your API tokens", description: "It stops counting at once, for good.",
		status: http.StatusNoContent,
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			own, err := s.Access.Tokens(ctx, c.who.Principal, c.who.UserID)
			if err != nil {
				return answer{}, err
			}
			if !slices.ContainsFunc(own, func(t access.Token) bool { return t.ID == id }) {
				return answer{}, notFound()
			}
			return answer{Status: http.StatusNoContent}, s.Access.RevokeToken(ctx, c.who.Principal, id)
		},
	}
}

func showToken(t access.Token) Token {
	return Token{ID: t.ID, Name: t.Name, CreatedAt: t.CreatedAt, LastUsedAt: t.LastUsedAt, ExpiresAt: t.ExpiresAt, RevokedAt: t.RevokedAt, Scopes: t.Scopes}
}

func tokenExample() Token {
	return Token{ID: uuid.MustParse(exampleID), Name: "nightly export", CreatedAt: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC), Scopes: []string{"order:read", "customer:*"}}
}
