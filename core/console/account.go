package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"crmhub/core/access"
	"crmhub/core/schema"
)

const accountPath = "/account"

// accountPage is the data of a person's own page: how he signs in, where he is signed in, and in which language.
type accountPage struct {
	User      access.User
	RoleNames []string
	Place     string // his department
	Language  input
	Password  []input
	Factor    access.SecondFactor
	Proof     []input // what changing the second factor asks for
	Sessions  []sessionRow
	Events    []access.LoginEvent
	Tokens    bool // he may have some
	Failed    string
	Faults    []string
}

// sessionRow is where somebody is signed in.
type sessionRow struct {
	access.Session
	Here bool // this browser
}

func (c *Console) showAccount(ctx context.Context, v *visit) error {
	return v.writeAccount(ctx, "", nil)
}

// writeAccount shows the page, with what is wrong with one of its forms.
func (v *visit) writeAccount(ctx context.Context, form string, wrong error) error {
	c := v.console
	status := statusOf(wrong != nil)
	if locked, ok := errors.AsType[*access.LockedError](wrong); ok { // tried in vain too often
		wrong, status = schema.Violations{{Pointer: "/", Rule: "locked", Message: v.say("login.locked", minutes(locked.Wait))}}, http.StatusTooManyRequests
	}
	q, err := v.questions(wrong)
	if err != nil {
		return err
	}
	fresh := &questions{visit: v}
	of := func(name string) *questions {
		if name == form {
			return q
		}
		return fresh
	}
	p := accountPage{Tokens: v.who.May(access.Tokens, access.Read) != ""}
	if p.User, err = c.Access.User(ctx, v.who.Principal, v.who.UserID); err != nil {
		return err
	}
	o, err := v.order(ctx)
	if err != nil {
		return err
	}
	row := o.row(p.User)
	p.RoleNames, p.Place = row.RoleNames, row.Department
	p.Language = fresh.choose("locale", v.say("user.locale"), p.User.Locale, localeOptions(v))
	p.Password = []input{
		of("password").must("old_password", v.say("account.old_password"), "password", ""), of("password").must("password", v.say("account.new_password"), "password", ""),
	}
	p.Password[0].Auto, p.Password[1].Auto = "current-password", "new-password"
	p.Password[1].Hint = v.say("account.password_hint")
	if p.Factor, err = c.Access.SecondFactor(ctx, v.who); err != nil {
		return err
	}
	p.Proof = []input{of("factor").must("password", v.say("account.password"), "password", "")}
	p.Proof[0].ID, p.Proof[0].Auto = "factor-password", "current-password"
	if p.Factor.On {
		code := of("factor").must("code", v.say("account.code"), "text", "")
		code.Value, code.Auto, code.ID = "", "one-time-code", "factor-code"
		p.Proof = append(p.Proof, code)
	}
	sessions, err := c.Access.Sessions(ctx, v.who.Principal, v.who.UserID)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		p.Sessions = append(p.Sessions, sessionRow{s, s.ID == v.who.SessionID})
	}
	if p.Events, err = c.Access.LoginEvents(ctx, v.who.Principal, access.EventFilter{UserID: v.who.UserID, Limit: mostEvents}); err != nil {
		return err
	}
	p.Faults = q.rest()
	v.here = accountPath
	return v.write(status, "account", p)
}

func (c *Console) changePassword(ctx context.Context, v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	err := c.Access.ChangePassword(ctx, v.who, access.Proof{Password: v.r.PostFormValue("old_password"), IP: remoteIP(v.r)}, v.r.PostFormValue("password"))
	if err != nil {
		return v.writeAccount(ctx, "password", err)
	}
	return v.done(accountPath, "password_changed")
}

// changeLanguage sets the language that the person is spoken to in, everywhere.
func (c *Console) changeLanguage(ctx context.Context, v *visit) error {
	lang, err := v.choice("locale", languages...)
	if err != nil {
		return err
	}
	if _, err := c.Access.ChangeUser(ctx, v.who.Principal, v.who.UserID, func(u *access.User) { u.Locale = lang }); err != nil {
		return err
	}
	http.SetCookie(v.w, cookie(v.r, "language", lang, 365*24*time.Hour))
	return v.done(accountPath, "saved")
}

// endSession ends one of the person's sessions.
func (c *Console) endSession(ctx context.Context, v *visit) error {
	id, err := v.id(access.ErrNotFound)
	if err != nil {
		return err
	}
	own, err := c.Access.Sessions(ctx, v.who.Principal, v.who.UserID)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(own, func(s access.Session) bool { return s.ID == id }) {
		return access.ErrNotFound
	}
	if err := c.Access.RevokeSession(ctx, v.who.Principal, id); err != nil {
		return err
	}
	return v.done(accountPath, "session_ended")
}

func (c *Console) endOtherSessions(ctx context.Context, v *visit) error {
	if err := c.Access.RevokeOtherSessions(ctx, v.who); err != nil {
		return err
	}
	return v.done(accountPath, "sessions_ended")
}

// ownToken reports whether a token is the visitor's.
func (v *visit) ownToken(ctx context.Context, id uuid.UUID) error {
	own, err := v.console.Access.Tokens(ctx, v.who.Principal, v.who.UserID)
	if err == nil && !slices.ContainsFunc(own, func(t access.Token) bool { return t.ID == id }) {
		return access.ErrNotFound
	}
	return err
}
