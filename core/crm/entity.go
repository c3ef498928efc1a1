package crm

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"crmhub/core/schema"
)

// Kind names an entity type as the API, topics, mappings and links do.
type Kind string

// The kinds.
const (
	KindCustomer        Kind = "customer"
	KindContact         Kind = "contact"
	KindProductCategory Kind = "product_category"
	KindProduct         Kind = "product"
	KindSegment         Kind = "segment"
	KindCampaign        Kind = "campaign"
	KindPipeline        Kind = "pipeline"
	KindOpportunity     Kind = "opportunity"
	KindOrder           Kind = "order"
	KindInvoice         Kind = "invoice"
	KindPayment         Kind = "payment"
	KindContract        Kind = "contract"
	KindCampaignMember  Kind = "campaign_member"
	KindTicket          Kind = "ticket"
	KindFeedback        Kind = "feedback"
	KindActivity        Kind = "activity"
	KindTask            Kind = "task"
	KindPrice           Kind = "price"
	KindCurrencyRate    Kind = "currency_rate"
	KindCustomField     Kind = "custom_field"
)

// Kinds are all kinds, parents before those that refer to them.
func Kinds() []Kind {
	return []Kind{
		KindCustomer, KindContact, KindProductCategory, KindProduct, KindSegment, KindCampaign, KindPipeline, KindOpportunity, KindOrder, KindInvoice, KindPayment,
		KindContract, KindCampaignMember, KindTicket, KindFeedback, KindActivity, KindTask, KindPrice, KindCurrencyRate, KindCustomField,
	}
}

// KindNames returns the names of the kinds, as [Kinds] does.
func KindNames() []string {
	names := make([]string, len(Kinds()))
	for i, kind := range Kinds() {
		names[i] = string(kind)
	}
	return names
}

// Head is what every entity has. Only the store writes it: what a caller puts there is ignored, but for ID and
// Version, which say what is updated and what the writer had seen.
type Head struct {
	ID        uuid.UUID  `json:"id" db:"id"`
	Version   int64      `json:"version" db:"version"` // 0 for what is not stored yet
	Origin    string     `json:"origin" db:"origin"`   // who wrote last: "crm" or a connection's code
	CreatedAt time.Time  `json:"created_at" db:"created_at"`
	CreatedBy string     `json:"created_by" db:"created_by"`
	UpdatedAt time.Time  `json:"updated_at" db:"updated_at"`
	UpdatedBy string     `json:"updated_by" db:"updated_by"`
	DeletedAt *time.Time `json:"deleted_at,omitempty" db:"deleted_at"`
}

func (h *Head) head() *Head { return h }

// HeadOf returns what e has in common with every entity.
func HeadOf(e Entity) *Head { return e.head() }

// Entity is one of the kinds, by pointer: a *Customer, an *Order and so on.
type Entity interface {
	Kind() Kind
	// Normalize brings fields to their canonical form (trimmed, defaults, computed amounts and states).
	Normalize()
	// Validate returns everything that breaks a rule of the type.
	Validate() schema.Violations
	head() *Head
}

// Ext holds custom fields; nil is written as {}.
type Ext = json.RawMessage

// Address is a postal address.
type Address struct {
	Street   string `json:"street,omitempty" db:"street"`
	District string `json:"district,omitempty" db:"district"`
	City     string `json:"city,omitempty" db:"city"`
	Province string `json:"province,omitempty" db:"province"`
	Postcode string `json:"postcode,omitempty" db:"postcode" max:"64"`
	Country  string `json:"country,omitempty" db:"country" format:"country"` // ISO 3166-1 alpha-2
}
