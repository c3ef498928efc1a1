package console

import (
	"context"
	"slices"
	"strings"
	"time"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/schema"
)

const tokensPath = "/account/tokens"

// tokensPage is the data of the page of somebody's API tokens.
type tokensPage struct {
	Items   []tokenRow
	CanMake bool
	Inputs  []input
	Scopes  []tokenScope
	Faults  []string
}

// tokenRow is a token as the page shows it.
type tokenRow struct {
	access.Token
	Over bool     // it does not count any more
	May  []string // what, in words; empty for everything
}

// mayOf says what a token may do.
func (v *visit) mayOf(t access.Token) []string {
	var all []string
	for _, s := range t.Scopes {
		resource, action, _ := strings.Cut(s, ":")
		said := v.resourceLabel(access.Resource(resource))
		switch {
		case s == "*:*":
			return nil
		case action == "read":
			said += " (" + v.say("token.read") + ")"
		case action != "*":
			said += " (" + action + ")"
		}
		all = append(all, said)
	}
	return all
}

// tokenScope is a resource of which a token may be given reading, or everything.
type tokenScope struct {
	Resource, Label string
	Options         []option
}

func (c *Console) listTokens(ctx context.Context, v *visit) error {
	return v.writeTokens(ctx, nil)
}

func (v *visit) writeTokens(ctx context.Context, wrong error) error {
	q, err := v.questions(wrong)
	if err != nil {
		return err
	}
	tokens, err := v.console.Access.Tokens(ctx, v.who.Principal, v.who.UserID)
	if err != nil {
		return err
	}
	p := tokensPage{CanMake: v.who.May(access.Tokens, access.Create) != ""}
	for _, t := range tokens {
		p.Items = append(p.Items, tokenRow{t, t.RevokedAt != nil || t.ExpiresAt != nil && t.ExpiresAt.Before(time.Now()), v.mayOf(t)})
	}
	name, until := q.must("name", v.say("token.name"), "text", ""), q.ask("expires_at", v.say("token.until"), "date", "")
	name.Hint, until.Hint = v.say("token.name_hint"), v.say("token.until_hint")
	p.Inputs = []input{name, until}
	for _, r := range append([]access.Resource{access.Any}, v.console.Access.Resources()...) {
		if r != access.Any && v.who.May(r, access.Read) == "" {
			continue
		}
		s := tokenScope{Resource: string(r), Label: v.resourceLabel(r)}
		for _, scope := range []string{"", "read", "*"} {
			label := v.say("token.nothing")
			switch scope {
			case "read":
				label = v.say("token.read")
			case "*":
				label = v.say("token.all")
			}
			s.Options = append(s.Options, option{scope, label, q.given.Get("scope."+string(r)) == scope})
		}
		p.Scopes = append(p.Scopes, s)
	}
	p.Faults = q.rest()
	v.here = tokensPath
	return v.writeForm("tokens", p, wrong)
}

// makeToken makes an API token and shows its secret, this once.
func (c *Console) makeToken(ctx context.Context, v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	var expires *time.Time
	if s := v.r.PostFormValue("expires_at"); s != "" {
		day, err := crm.ParseDate(s)
		if err != nil {
			return v.writeTokens(ctx, schema.Violations{{Pointer: "/expires_at", Rule: "format", Message: "must be a day"}})
		}
		end := time.Date(day.Time().Year(), day.Time().Month(), day.Time().Day()+1, 0, 0, 0, 0, v.zone())
		expires = &end
	}
	var scopes []string
	for _, r := range append([]access.Resource{access.Any}, c.Access.Resources()...) {
		if action := v.r.PostFormValue("scope." + string(r)); action == "read" || action == "*" {
			scopes = append(scopes, string(r)+":"+action)
		}
	}
	if len(scopes) == 0 {
		return v.writeTokens(ctx, schema.Violations{{Pointer: "/scopes", Rule: "required", Message: v.say("token.choose")}})
	}
	if !v.who.MayGiveScopes(scopes) {
		return errForbidden
	}
	t, secret, err := c.Access.AddToken(ctx, v.who.Principal, v.who.UserID, strings.TrimSpace(v.r.PostFormValue("name")), expires, scopes...)
	if err != nil {
		return v.writeTokens(ctx, err)
	}
	return v.showSecret(secretPage{
		Title: v.say("token.made", t.Name), Hint: v.say("token.made_hint"), Label: v.say("token.secret"), Secret: secret, Back: tokensPath, BackLabel: v.say("account.kept"),
	})
}

func (c *Console) revokeToken(ctx context.Context, v *visit) error {
	id, err := v.id(access.ErrNotFound)
	if err != nil {
		return err
	}
	if err := v.ownToken(ctx, id); err != nil {
		return err
	}
	if err := c.Access.RevokeToken(ctx, v.who.Principal, id); err != nil {
		return err
	}
	return v.done(tokensPath, "token_revoked")
}

// Texts are what the token may do, for templates.
func (r tokenRow) Texts() string {
	scopes := slices.Clone(r.Scopes)
	return strings.Join(scopes, ", ")
}
