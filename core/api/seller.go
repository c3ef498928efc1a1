package api

import (
	"context"
	"net/http"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
)

// sellerPatch has the fields of [access.Seller], each of which may be left out.
type sellerPatch struct {
	Name           *string `json:"name,omitempty" maxLength:"300"`
	VATNumber      *string `json:"vat_number,omitempty" maxLength:"300"`
	TaxNumber      *string `json:"tax_number,omitempty" maxLength:"300"`
	Registration   *string `json:"registration,omitempty" maxLength:"300"`
	Street         *string `json:"street,omitempty" maxLength:"300"`
	City           *string `json:"city,omitempty" maxLength:"300"`
	Postcode       *string `json:"postcode,omitempty" maxLength:"300"`
	Province       *string `json:"province,omitempty" maxLength:"300"`
	Country        *string `json:"country,omitempty" pattern:"^([A-Z]{2})?$"`
	Contact        *string `json:"contact,omitempty" maxLength:"300"`
	Phone          *string `json:"phone,omitempty" maxLength:"300"`
	Email          *string `json:"email,omitempty" maxLength:"300"`
	BankAccount    *string `json:"bank_account,omitempty" maxLength:"300"`
	Bank           *string `json:"bank,omitempty" maxLength:"300"`
	Endpoint       *string `json:"endpoint,omitempty" maxLength:"300"`
	EndpointScheme *string `json:"endpoint_scheme,omitempty" maxLength:"300"`
}

func sellerExample() access.Seller {
	return access.Seller{
		Name: "Beispiel GmbH", VATNumber: "DE123456789", Registration: "HRB 12345", Street: "Hafenstraße 7", City: "Hamburg", Postcode: "20457", Country: "DE",
		Contact: "Kim Example", Phone: "+49 40 123456", Email: "billing@example.com", BankAccount: "DE02120300000000202051", Bank: "BYLADEM1001",
		Endpoint: "billing@example.com", EndpointScheme: "EM",
	}
}

func (s *server) showSeller() operation {
	return operation{
		id: "show-seller", needs: may(access.Organizations, access.Read), tag: "access", summary: "Show how the organization stands on its invoices",
		status: http.StatusOK, result: jsonBody(s.document, sellerExample()),
		serve: read(s, s.Access.Seller),
	}
}

func (s *server) patchSeller() operation {
	country := "DE"
	return operation{
		id: "update-seller", needs: may(access.Organizations, access.Update), tag: "access", summary: "Change how the organization stands on its invoices",
		description: "A JSON merge patch (RFC 7396). There are no versions: the last change wins. Invoices that have left stay as they were.",
		body:        mergePatchBody(s.document, sellerPatch{Country: &country}),
		status:      http.StatusOK, result: jsonBody(s.document, sellerExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			patch, err := c.object()
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				old, err := s.Access.Seller(ctx, tx)
				if err != nil {
					return answer{}, err
				}
				changed, err := patched(old, patch)
				if err != nil {
					return answer{}, err
				}
				if err := s.Access.UpdateSeller(ctx, tx, changed); err != nil {
					return answer{}, err
				}
				return respond(http.StatusOK, changed)
			})
		},
	}
}
