package console

import (
	"context"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

const (
	unratedPath = "/currency-rates/missing"
	// rerateAtOnce is how many documents one click gives rates.
	rerateAtOnce = 1000
)

func (c *Console) ratePages() map[string]page {
	keeps := needs(access.Resource(crm.KindCurrencyRate), access.Update)
	return map[string]page{"GET " + unratedPath: {keeps, c.listUnrated}, "POST /currency-rates/apply": {keeps, c.rerate}}
}

// unratedPage is the data of the page of documents that rates came too late for.
type unratedPage struct{ Items []crm.Unrated }

// seesRates refuses whom a rule keeps from rates.
func (v *visit) seesRates() error {
	if v.who.Hides(access.Resource(crm.KindCurrencyRate), "rate") {
		return errForbidden
	}
	return nil
}

func (c *Console) listUnrated(ctx context.Context, v *visit) error {
	if err := v.seesRates(); err != nil {
		return err
	}
	found, err := get(ctx, v, func(tx pgx.Tx) ([]crm.Unrated, error) { return c.CRM.Unrated(ctx, tx) })
	if err != nil {
		return err
	}
	v.here = viewOf(crm.KindCurrencyRate).path()
	return v.show("unrated", unratedPage{found})
}

func (c *Console) rerate(ctx context.Context, v *visit) error {
	if err := v.seesRates(); err != nil {
		return err
	}
	more, err := get(ctx, v, func(tx pgx.Tx) (more bool, err error) {
		_, more, err = c.CRM.Rerate(ctx, tx, v.author().By, rerateAtOnce)
		return more, err
	})
	if err != nil {
		return err
	}
	if more {
		return v.done(unratedPath, "rates_given_some")
	}
	return v.done(unratedPath, "rates_given")
}
