package api

import (
	"context"
	"net/http"
	"time"

	"crmhub/core/access"
)

// SecondFactor is how the second factor stands, as the API shows it.
type SecondFactor struct {
	On            bool       `json:"on"`
	ConfirmedAt   *time.Time `json:"confirmed_at,omitempty"`
	RecoveryCodes int        `json:"recovery_codes" doc:"How many are left."`
}

// Enrolment is a second factor to be confirmed, shown once.
type Enrolment struct {
	Secret string `json:"secret" doc:"To be typed into an authenticator app: base32."`
	URI    string `json:"uri" format:"uri" doc:"The same for apps that take a URI."`
	QR     string `json:"qr" doc:"The URI as a QR code: an SVG image, black on white."`
}

// RecoveryCodes let somebody in who lost the second factor, each once.
type RecoveryCodes struct {
	Codes []string `json:"codes" nullable:"false" doc:"Shown this once. Earlier ones do not count any more."`
}

type totpInput struct {
	Password string `json:"password" minLength:"1" maxLength:"256"`
}

type codeInput struct {
	Code string `json:"code" minLength:"6" maxLength:"40" doc:"What the app shows now."`
}

type proofInput struct {
	Password string `json:"password" minLength:"1" maxLength:"256"`
	Code     string `json:"code" minLength:"6" maxLength:"40" doc:"What the app shows now, or a recovery code."`
}

func (s *server) showSecondFactor() operation {
	confirmed := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return operation{
		id: "get-totp", needs: signedIn(), tag: "access", summary: "Say whether your second factor is on",
		status: http.StatusOK, result: jsonBody(s.document, SecondFactor{On: true, ConfirmedAt: &confirmed, RecoveryCodes: 9}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			f, err := s.Access.SecondFactor(ctx, c.who)
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, SecondFactor{On: f.On, ConfirmedAt: f.ConfirmedAt, RecoveryCodes: f.RecoveryCodes})
		},
	}
}

func (s *server) beginSecondFactor() operation {
	const uri = "otpauth://totp/crmhub:erika?algorithm=SHA1&digits=6&issuer=crmhub&period=30&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	return operation{
		id: "begin-totp", needs: signedIn(), tag: "access", summary: "Begin a second factor (TOTP)",
		description: "Makes a secret for your authenticator app (RFC 6238), shown this once. It counts once you confirm it; beginning again " +
			"makes another. It takes a session, not an API token.",
		body:   jsonBody(s.document, totpInput{Password: "correct horse battery"}),
		status: http.StatusCreated, result: jsonBody(s.document, Enrolment{Secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", URI: uri, QR: "<svg …></svg>"}),
		problems: []int{http.StatusConflict, http.StatusTooManyRequests},
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decodeInSession[totpInput](c)
			if err != nil {
				return answer{}, err
			}
			e, err := s.Access.BeginSecondFactor(ctx, c.who, access.Proof{Password: in.Password, IP: c.ip()})
			if err != nil {
				return answer{}, err
			}
			image, err := e.QR()
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusCreated, Enrolment{Secret: e.Secret.Reveal(), URI: e.URI.Reveal(), QR: image})
		},
	}
}

func (s *server) confirmSecondFactor() operation {
	return operation{
		id: "confirm-totp", needs: signedIn(), tag: "access", summary: "Turn your second factor on",
		description: "With the code that your app shows. From then on signing in asks for one. The answer has ten recovery codes.",
		body:        jsonBody(s.document, codeInput{Code: "287082"}),
		status:      http.StatusOK, result: jsonBody(s.document, recoveryExample()), problems: []int{http.StatusConflict},
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decodeInSession[codeInput](c)
			if err != nil {
				return answer{}, err
			}
			codes, err := s.Access.ConfirmSecondFactor(ctx, c.who, in.Code)
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, RecoveryCodes{codes})
		},
	}
}

func (s *server) renewRecoveryCodes() operation {
	return operation{
		id: "renew-recovery-codes", needs: signedIn(), tag: "access", summary: "Make new recovery codes", description: "Ten of them; earlier ones do not count any more.",
		body:   jsonBody(s.document, proofInput{Password: "correct horse battery", Code: "287082"}),
		status: http.StatusOK, result: jsonBody(s.document, recoveryExample()), problems: []int{http.StatusConflict, http.StatusTooManyRequests},
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decodeInSession[proofInput](c)
			if err != nil {
				return answer{}, err
			}
			codes, err := s.Access.RenewRecoveryCodes(ctx, c.who, access.Proof{Password: in.Password, Code: in.Code, IP: c.ip()})
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, RecoveryCodes{codes})
		},
	}
}

func (s *server) endSecondFactor() operation {
	return operation{
		id: "disable-totp", needs: signedIn(), tag: "access", summary: "Turn your second factor off", description: "The recovery codes go with it.",
		body:   jsonBody(s.document, proofInput{Password: "correct horse battery", Code: "287082"}),
		status: http.StatusNoContent, problems: []int{http.StatusConflict, http.StatusTooManyRequests},
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decodeInSession[proofInput](c)
			if err != nil {
				return answer{}, err
			}
			err = s.Access.EndSecondFactor(ctx, c.who, access.Proof{Password: in.Password, Code: in.Code, IP: c.ip()})
			return answer{Status: http.StatusNoContent}, err
		},
	}
}

func recoveryExample() RecoveryCodes {
	return RecoveryCodes{Codes: []string{"MFRG-GZDF-MZTW-Q2LK", "NNWG-23TP-OBYX-E43U"}}
}
