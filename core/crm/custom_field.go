package crm

import (
	"cmp"
	"regexp"
	"slices"

	"crmhub/core/schema"
)

// CustomField declares a field of ext for the entities of a kind. Once a kind has one, its ext holds declared fields only.
type CustomField struct {
	Head
	Entity     string   `json:"entity" db:"entity" required:"true" max:"64"` // a kind
	Name       string   `json:"name" db:"name" required:"true" max:"63"`     // the key in ext
	Type       string   `json:"kind" db:"kind" enum:"text number date boolean choice reference"`
	LabelEn    string   `json:"label_en,omitempty" db:"label_en"`
	LabelZh    string   `json:"label_zh,omitempty" db:"label_zh"`
	IsRequired bool     `json:"is_required" db:"is_required"` // of people; other systems may not know the field
	IsPersonal bool     `json:"is_personal" db:"is_personal"` // it says something of a person: see Personal
	Choices    []string `json:"choices" db:"choices" max:"300"`
	Refers     string   `json:"refers,omitempty" db:"refers" max:"64"` // the kind whose id a reference holds, or user
	Position   int32    `json:"position" db:"position"`                // where it is shown
	IsActive   bool     `json:"is_active" db:"is_active" default:"true"`
	Ext        Ext      `json:"ext" db:"ext"`
}

// customName is what a custom field may be called: it stands in filters (ext.region) and mappings without quotes.
var customName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// Kind is KindCustomField.
func (*CustomField) Kind() Kind { return KindCustomField }

// Normalize brings fields to their canonical form.
func (c *CustomField) Normalize() {
	canonical(c)
	c.Type = cmp.Or(c.Type, "text")
}

// Validate returns everything that breaks a rule of the type.
func (c *CustomField) Validate() schema.Violations {
	f := checkFields(c)
	if _, err := ParseKind(c.Entity); err != nil && c.Entity != "" {
		f.add("/entity", "enum", "must be one of %v", Kinds())
	}
	if c.Name != "" && !customName.MatchString(c.Name) {
		f.tell("/name", "pattern", "field_custom_name", "must be small letters, digits and underscores, a letter first")
	}
	if (c.Type == "choice") != (len(c.Choices) > 0) {
		f.add("/choices", "required", "must be given for a choice, and only for one")
	}
	_, err := ParseKind(c.Refers)
	if known := err == nil || c.Refers == "user"; c.Type == "reference" && !known {
		f.add("/refers", "enum", "must be user or one of %v", Kinds())
	}
	if c.Type != "reference" && c.Refers != "" {
		f.add("/refers", "const", "must be given for a reference only")
	}
	return f.violations
}

// fieldNamed returns the declaration of a name, nil if there is none.
func fieldNamed(declared []CustomField, name string) *CustomField {
	if i := slices.IndexFunc(declared, func(c CustomField) bool { return c.Name == name }); i >= 0 {
		return &declared[i]
	}
	return nil
}
