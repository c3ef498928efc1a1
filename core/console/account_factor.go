package console

import (
	"context"
	"errors"
	"html/template"

	"crmhub/core/access"
	"crmhub/core/schema"
)

// factorPage is the data of the page that has a second factor scanned and confirmed.
type factorPage struct {
	QR     template.HTML
	Secret string
	Code   input
}

// proof is what the form gives before changing how somebody signs in.
func (v *visit) proof() access.Proof {
	return access.Proof{Password: v.r.PostFormValue("password"), Code: v.r.PostFormValue("code"), IP: remoteIP(v.r)}
}

// beginFactor makes a second factor and shows it, this once.
func (c *Console) beginFactor(ctx context.Context, v *visit) error {
	e, err := c.Access.BeginSecondFactor(ctx, v.who, v.proof())
	if err != nil {
		return v.factorFailed(ctx, err)
	}
	image, err := e.QR()
	if err != nil {
		return err
	}
	return v.askCode(factorPage{QR: template.HTML(image), Secret: e.Secret.Reveal()}, "") //nolint:gosec // drawn by package access
}

// askCode asks for a code of the app that was scanned.
func (v *visit) askCode(p factorPage, wrong string) error {
	q := &questions{visit: v, faults: map[string]string{"code": wrong}}
	p.Code = q.must("code", v.say("account.code_now"), "text", "")
	p.Code.Auto = "one-time-code"
	v.here = accountPath
	return v.write(statusOf(wrong != ""), "factor", p)
}

// factorFailed says beside the form why the second factor stays as it is.
func (v *visit) factorFailed(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, access.ErrCode):
		err = schema.Violations{{Pointer: "/code", Rule: "code", Message: v.say("code.failed")}}
	case errors.Is(err, access.ErrSecondFactor):
		return errClosed
	}
	return v.writeAccount(ctx, "factor", err)
}

// confirmFactor turns the second factor on, and shows the recovery codes, this once.
func (c *Console) confirmFactor(ctx context.Context, v *visit) error {
	codes, err := c.Access.ConfirmSecondFactor(ctx, v.who, v.r.PostFormValue("code"))
	if vs := schema.Violations(nil); errors.As(err, &vs) || errors.Is(err, access.ErrCode) {
		// What was shown once is not shown again, but it still holds.
		return v.askCode(factorPage{}, v.say("account.code_wrong"))
	}
	if err != nil {
		return v.factorFailed(ctx, err)
	}
	return v.showCodes(codes)
}

func (v *visit) showCodes(codes []string) error {
	return v.showSecret(secretPage{
		Title: v.say("account.codes"), Hint: v.say("account.codes_hint"), Label: v.say("account.codes"), Codes: codes, Back: accountPath, BackLabel: v.say("account.kept"),
	})
}

func (c *Console) renewCodes(ctx context.Context, v *visit) error {
	codes, err := c.Access.RenewRecoveryCodes(ctx, v.who, v.proof())
	if err != nil {
		return v.factorFailed(ctx, err)
	}
	return v.showCodes(codes)
}

func (c *Console) endFactor(ctx context.Context, v *visit) error {
	if err := c.Access.EndSecondFactor(ctx, v.who, v.proof()); err != nil {
		return v.factorFailed(ctx, err)
	}
	return v.done(accountPath, "factor_off")
}
