package console

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// chosen is what was entered for a reference: an id, or a text that has yet to be found.
type chosen struct {
	text    string
	choices []option // what the text may mean, if it is not one thing
}

// The form names a reference's input thrice: "customer_id" holds the id, "customer_id~text" what the reader sees and may
// write anew, "customer_id~was" what the id is called. Where text and was are one, the id counts.
const (
	textSuffix = "~text"
	wasSuffix  = "~was"
	listMark   = "~list" // that a list was asked for, though it has no item
)

// read takes what was entered into the document. It returns the fields that were asked for.
func (f *form) read(values url.Values) []field {
	var asked []field
	for _, fd := range f.fields {
		value, given := f.readField(fd, fd.Name, values)
		if !given {
			continue
		}
		asked = append(asked, fd)
		if name, custom := strings.CutPrefix(fd.Name, customPrefix); custom {
			ext, _ := f.doc["ext"].(map[string]any)
			ext = maps.Clone(ext)
			if ext == nil {
				ext = map[string]any{}
			}
			ext[name] = value
			f.doc["ext"] = ext
			continue
		}
		f.doc[fd.Name] = value
	}
	return asked
}

func (f *form) readField(fd field, name string, values url.Values) (value any, given bool) {
	switch fd.Type {
	case "list":
		if !values.Has(name + listMark) {
			return nil, false
		}
		items := []any{}
		for n, i := range rowsOf(name, values) {
			item := map[string]any{}
			for _, inner := range fd.fields {
				sent := name + "." + strconv.Itoa(i) + "." + inner.Name
				if v, ok := f.readField(inner, sent, values); ok {
					item[inner.Name] = v
				}
				if c, ok := f.chosen[sent]; ok && n != i { // rows that were taken away leave gaps
					delete(f.chosen, sent)
					f.chosen[name+"."+strconv.Itoa(n)+"."+inner.Name] = c
				}
			}
			items = append(items, item)
		}
		return items, true
	case "object":
		object := map[string]any{}
		for _, inner := range fd.fields {
			if v, ok := f.readField(inner, name+"."+inner.Name, values); ok {
				object[inner.Name], given = v, true
			}
		}
		return object, given
	}
	entered, given := values[name]
	if !given {
		if text := values.Get(name + textSuffix); text != "" {
			f.chosen[name] = chosen{text: text}
			return nil, true
		}
		return nil, false
	}
	s := strings.TrimSpace(entered[len(entered)-1]) // of a check, what stands last
	switch {
	case fd.Type == "boolean":
		return s == "true", true
	case fd.Refers != "" && values.Has(name+textSuffix):
		text := strings.TrimSpace(values.Get(name + textSuffix))
		if text == "" {
			return nil, true
		}
		if text != values.Get(name+wasSuffix) || s == "" {
			f.chosen[name] = chosen{text: text}
			return nil, true
		}
		return s, true
	case s == "" && fd.Type != "texts":
		return nil, true
	case fd.Type == "texts":
		return texts(s), true
	case fd.Type == "instant":
		return f.instant(s), true
	case fd.Type == "integer":
		if _, err := strconv.ParseInt(s, 10, 64); err == nil {
			return json.Number(s), true
		}
		return s, true
	case fd.Type == "number":
		return ungrouped(s), true
	case fd.Format == "currency", fd.Format == "country", fd.Format == "uscc":
		return strings.ToUpper(s), true
	case fd.Format == "website" && strings.Contains(s, ".") && !strings.Contains(s, "://"):
		return "https://" + s, true // as it is said and printed
	default:
		return s, true
	}
}

// grouped are the ways people write thousands: 1,234,567.50 and 1 234 567.50.
var grouped = regexp.MustCompile(`^-?[0-9]{1,3}((,[0-9]{3})+|( [0-9]{3})+)(\.[0-9]*)?$`)

// ungrouped is a number as it was written, without what stands between its thousands. A comma anywhere else stays, and the store
// refuses it: 1,5 is 1.5 to some and 15 to nobody.
func ungrouped(s string) string {
	s = strings.Map(func(r rune) rune {
		switch r {
		case '，':
			return ','
		case '．':
			return '.'
		case '\u00a0', '\u202f':
			return ' '
		case '−':
			return '-'
		}
		return r
	}, strings.TrimSpace(s))
	if grouped.MatchString(s) {
		s = strings.NewReplacer(",", "", " ", "").Replace(s)
	}
	return s
}

// rowsOf are the numbers of the rows of a list that were sent, in order.
func rowsOf(list string, values url.Values) []int {
	seen := map[int]bool{}
	for name := range values {
		rest, ok := strings.CutPrefix(name, list+".")
		number, _, dotted := strings.Cut(rest, ".")
		if i, err := strconv.Atoi(number); ok && dotted && err == nil && i >= 0 {
			seen[i] = true
		}
	}
	rows := slices.Sorted(maps.Keys(seen))
	return rows[:min(len(rows), longestList)]
}

// texts are the texts between commas, Western or Chinese.
func texts(s string) []any {
	all := []any{}
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == '，' }) {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// instant reads what a browser's control for times sends, in the visitor's zone. What is none stays as it is, for the store to refuse.
func (v *visit) instant(s string) string {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, s, v.zone()); err == nil {
			return at.UTC().Format(time.RFC3339)
		}
	}
	return s
}

// find looks for what was written instead of chosen. One thing found is taken; several are offered, none is said.
func (f *form) find(ctx context.Context, tx pgx.Tx) error {
	for name, c := range f.chosen {
		fd, set := f.place(name)
		if set == nil {
			continue
		}
		id, choices, err := f.lookUp(ctx, tx, fd.Refers, c.text)
		if err != nil {
			return err
		}
		switch {
		case id != "":
			set(id)
			delete(f.chosen, name)
		case len(choices) == 0:
			f.faults[name] = f.say("form.choose_none")
		default:
			f.faults[name] = f.say("form.choose_many")
			c.choices = choices
			f.chosen[name] = c
		}
	}
	return nil
}

// lookUp finds the one thing of a kind that a text means. If it may mean several, these are the choices and there is no id.
func (v *visit) lookUp(ctx context.Context, tx pgx.Tx, k crm.Kind, text string) (id string, choices []option, err error) {
	hits, err := v.hits(ctx, tx, k, text, 12)
	if err != nil {
		return "", nil, err
	}
	exact := slices.DeleteFunc(slices.Clone(hits), func(h crm.Hit) bool {
		return !strings.EqualFold(h.Title, text) && !strings.EqualFold(h.Subtitle, text)
	})
	if len(hits) == 1 {
		exact = hits
	}
	if len(exact) == 1 {
		return exact[0].ID.String(), nil, nil
	}
	for _, h := range hits {
		label := h.Title
		if h.Subtitle != "" {
			label += " · " + h.Subtitle
		}
		choices = append(choices, option{Value: h.ID.String(), Label: label})
	}
	return "", choices, nil
}

// hits are what the visitor may choose of a kind by a text.
func (v *visit) hits(ctx context.Context, tx pgx.Tx, k crm.Kind, text string, most int) ([]crm.Hit, error) {
	r := access.Resource(k)
	if v.who.May(r, access.Read) == "" {
		return nil, nil
	}
	return v.console.CRM.Search(ctx, tx, k, crm.Query{Text: text, Limit: most, Owners: v.who.Owners(r, access.Read), Blind: v.who.Blind(r)})
}

// place is the field that an input is for, and where its value goes.
func (f *form) place(name string) (field, func(any)) {
	steps := strings.Split(name, ".")
	i := slices.IndexFunc(f.fields, func(fd field) bool { return fd.Name == name || fd.Name == steps[0] })
	if i < 0 {
		return field{}, nil
	}
	fd := f.fields[i]
	switch {
	case fd.custom():
		return fd, func(v any) {
			ext, _ := f.doc["ext"].(map[string]any)
			ext[strings.TrimPrefix(name, customPrefix)] = v
		}
	case len(steps) == 1:
		return fd, func(v any) { f.doc[name] = v }
	case len(steps) == 3:
		items, _ := f.doc[fd.Name].([]any)
		j := slices.IndexFunc(fd.fields, func(inner field) bool { return inner.Name == steps[2] })
		row, err := strconv.Atoi(steps[1])
		if err != nil || j < 0 || row >= len(items) {
			return field{}, nil
		}
		item, _ := items[row].(map[string]any)
		return fd.fields[j], func(v any) { item[steps[2]] = v }
	}
	return field{}, nil
}

// do adds or removes a row, if a button asks for it, or for nothing but to look for references. It reports whether one did.
func (f *form) do(button string) bool {
	what, name, _ := strings.Cut(button, ":")
	switch what {
	case "add":
		for _, fd := range f.fields {
			if fd.Name == name && fd.Type == "list" {
				items, _ := f.doc[name].([]any)
				f.doc[name] = append(items, f.blankRow(fd))
			}
		}
		return true
	case "remove":
		list, number, _ := strings.Cut(name, ".")
		items, _ := f.doc[list].([]any)
		if i, err := strconv.Atoi(number); err == nil && i >= 0 && i < len(items) {
			f.doc[list] = slices.Delete(slices.Clone(items), i, i+1)
			f.forget(list)
		}
		return true
	case "find":
		return true
	}
	return false
}

// forget drops what was written for references in a list whose rows have other numbers now.
func (f *form) forget(list string) {
	maps.DeleteFunc(f.chosen, func(name string, _ chosen) bool { return strings.HasPrefix(name, list+".") })
	maps.DeleteFunc(f.faults, func(name string, _ string) bool { return strings.HasPrefix(name, list+".") })
}

// blankRow is a new item of a list, as it is most often begun.
func (f *form) blankRow(fd field) map[string]any {
	row := map[string]any{}
	for _, inner := range fd.fields {
		if value := f.usual(inner); value != nil {
			row[inner.Name] = value
		}
	}
	return row
}

// usual is the value that a new record or line most often has; nil for none.
func (f *form) usual(fd field) any {
	switch {
	case fd.Name == "is_active":
		return true
	case fd.Name == "priority":
		return "normal"
	case fd.vocabulary == "segment.kind":
		return "rule"
	case fd.vocabulary == "contract.signers.party":
		return "customer"
	case fd.Type == "date" && fd.Required:
		return f.day.String()
	case fd.Type == "instant" && fd.Required:
		return time.Now().UTC().Format(time.RFC3339)
	case fd.Name == "qty" && fd.Required:
		return "1"
	case len(fd.Enum) > 0 && !fd.custom() && !optionalChoice(fd):
		return fd.Enum[0]
	}
	return nil
}
