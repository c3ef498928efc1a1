package access

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

const (
	findUser = `
select u.id, u.login, u.name, u.locale, o.code, '{}'::text[], o.access_version
from users u join organizations o on o.id = u.organization_id
where u.organization_id = $1 and u.id = $2 and u.status = 'active'`

	findTokenOwner = `
select u.id, u.login, u.name, u.locale, o.code, t.scopes, o.access_version
from api_tokens t
join users u on u.organization_id = t.organization_id and u.id = t.user_id
join organizations o on o.id = t.organization_id
where t.organization_id = $1 and t.id = $2 and t.revoked_at is null and (t.expires_at is null or t.expires_at > $3) and u.status = 'active'`
)

// Actor returns what an actor of an organization may do now, for work that goes on after the request that asked for it: a
// user, or an API token with what it is for. Who may not come in any more is [ErrUnauthenticated].
func (s *Store) Actor(ctx context.Context, organization uuid.UUID, actor postgres.Actor) (Identity, error) {
	who := Identity{Principal: postgres.Principal{Organization: organization, Actor: actor}}
	kind, text, _ := strings.Cut(string(actor), ":")
	id, err := uuid.Parse(text)
	if err != nil || kind != "user" && kind != "token" {
		return Identity{}, fmt.Errorf("%s is no person: %w", actor, ErrUnauthenticated)
	}
	sql, args := findUser, []any{organization, id}
	if kind == "token" {
		sql, args = findTokenOwner, append(args, s.now())
	}
	var scopes []string
	var version int64
	var find pgx.Batch
	find.Queue(sql, args...).QueryRow(func(row pgx.Row) error {
		return row.Scan(&who.UserID, &who.Login, &who.Name, &who.Locale, &who.Organization, &scopes, &version)
	})
	if err = s.DB.AskSystem(ctx, &find); err == nil {
		err = s.identify(ctx, &who, version, scopes)
	}
	if err != nil {
		return Identity{}, unauthenticated(err)
	}
	who.Principal.Actor = actor
	return who, nil
}
