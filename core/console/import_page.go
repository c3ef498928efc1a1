package console

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/schema"
	"crmhub/core/sheet"
	"crmhub/core/transfer"
)

// importPage is the data of the page about one import: what the file is, what its columns are, what it would come to, and what
// it came to.
type importPage struct {
	importRow
	Path       string
	List       string // where what was imported is listed
	Encodings  []option
	Marks      []option
	Delimiters []option
	Asked      []importColumn
	Modes      []option
	Matches    []option // natural keys by which rows may find what they update
	Groups     []option
	Defaults   []importDefault
	Shown      []importOutcome
	Refusals   []importRefusal
	Faults     []string
}

// importColumn is a column of the file, and what it may be.
type importColumn struct {
	transfer.Column
	Index   int
	Options []option
	Fault   string
}

// importDefault is the value of every row that has none.
type importDefault struct {
	Index   int
	Options []option
	Value   string
}

type importOutcome struct {
	transfer.Outcome
	Faults []string
}

type importRefusal struct {
	transfer.Refusal
	Faults []string
}

// mostRefusals is how many refused rows the page shows; the file has them all.
const mostRefusals = 20

// Step is where the import stands, of four: file, columns, preview, result.
func (p *importPage) Step() int {
	switch p.Status {
	case transfer.Uploading:
		return 1
	case transfer.Uploaded:
		return 2
	case transfer.Previewing, transfer.Previewed:
		return 3
	}
	return 4
}

// Working reports whether it is being worked on.
func (p *importPage) Working() bool { return working(p.Status) }

// Open reports whether its columns may still be changed.
func (p *importPage) Open() bool {
	return p.Status == transfer.Uploaded || p.Status == transfer.Previewed
}

// Resumable reports whether the rest of it can be run.
func (p *importPage) Resumable() bool {
	return p.Status == transfer.Cancelled || p.Status == transfer.Failed
}

// Undoable reports whether it can be taken back.
func (p *importPage) Undoable() bool { return p.Status == transfer.Done || p.Resumable() }

// CSV reports whether the file is text.
func (p *importPage) CSV() bool { return p.Form.Format == sheet.CSV }

// Wrote reports whether it wrote something, or would.
func (p *importPage) Wrote() bool { return p.Created+p.Updated > 0 }

func (c *Console) showImport(ctx context.Context, v *visit) error {
	i, err := get(ctx, v, func(tx pgx.Tx) (transfer.Import, error) { return v.importIn(ctx, tx) })
	if err != nil {
		return err
	}
	return c.writeImport(ctx, v, i, nil)
}

// writeImport shows an import, and what is wrong with what was asked of it.
func (c *Console) writeImport(ctx context.Context, v *visit, i transfer.Import, wrong error) error {
	vs, other := wrongIn(wrong)
	if other != nil {
		return other
	}
	p := &importPage{importRow: importRow{Import: i}, Path: "/imports/" + i.ID.String(), List: pathOf(i.Entity)}
	err := v.as(ctx, func(tx pgx.Tx) error {
		known, err := v.everybody(ctx, tx)
		if err != nil {
			return err
		}
		p.Who = v.actor(i.CreatedBy, known)
		fields, err := v.fields(ctx, tx, i.Entity)
		if err != nil {
			return err
		}
		if p.Open() {
			p.ask(v, fields, vs)
		}
		for _, o := range i.Preview {
			p.Shown = append(p.Shown, importOutcome{o, v.rowFaults(o.Faults, fields)})
		}
		if working(i.Status) || i.Refused == 0 {
			return nil
		}
		refusals, err := c.transfers.Refusals(ctx, tx, i.ID, 0, mostRefusals)
		for _, r := range refusals {
			p.Refusals = append(p.Refusals, importRefusal{r, v.rowFaults(r.Faults, fields)})
		}
		return err
	})
	if err != nil {
		return err
	}
	v.here = p.Path
	return v.writeForm("import", p, wrong)
}

func (v *visit) rowFaults(vs schema.Violations, fields []field) []string {
	said := make([]string, len(vs))
	for i, broken := range vs {
		said[i] = v.violation(broken, fields)
	}
	return said
}

// ask makes the controls that say how rows become records.
func (p *importPage) ask(v *visit, fields []field, wrong schema.Violations) {
	choose := func(values []string, now, words string) []option {
		options := make([]option, len(values))
		for i, value := range values {
			options[i] = option{value, v.say(words + value), value == now}
		}
		return options
	}
	p.Encodings = choose(sheet.Encodings(), p.Form.Encoding, "import.encoding.")
	for _, d := range sheet.Delimiters() {
		p.Delimiters = append(p.Delimiters, option{d, v.say("import.delimiter." + delimiterName(d)), d == p.Form.Delimiter})
	}
	p.Marks = choose(append([]string{""}, sheet.DecimalMarks()...), p.Form.Decimal, "import.decimal.")
	p.Modes = choose([]string{string(transfer.Both), string(transfer.Create), string(transfer.Update)}, string(p.Mode), "import.mode.")
	targets := importTargets(v, p.Entity, fields)
	for i, c := range p.Columns {
		p.Asked = append(p.Asked, importColumn{Column: c, Index: i, Options: chosenOf(targets, c.Field)})
	}
	used := func(path string) bool {
		return slices.ContainsFunc(p.Columns, func(c transfer.Column) bool { return c.Field == path })
	}
	for _, t := range targets {
		if key := t.Value; key == "id" || slices.Contains(crm.Keys(p.Entity), key) {
			p.Matches = append(p.Matches, option{key, t.Label, slices.Contains(p.MatchBy, key)})
		}
		if used(t.Value) && !strings.Contains(t.Value, "/") {
			p.Groups = append(p.Groups, option{t.Value, t.Label, t.Value == p.GroupBy})
		}
	}
	for _, t := range targets { // in the order of the fields
		if value, ok := p.Import.Defaults[t.Value]; ok {
			p.Defaults = append(p.Defaults, importDefault{len(p.Defaults), chosenOf(targets, t.Value), value})
		}
	}
	p.Defaults = append(p.Defaults, importDefault{len(p.Defaults), chosenOf(targets, ""), ""})
	for _, broken := range wrong {
		if n, ok := strings.CutPrefix(broken.Pointer, "/fields/"); ok {
			if i, err := strconv.Atoi(n); err == nil && i < len(p.Asked) {
				p.Asked[i].Fault = v.violation(broken, nil)
				continue
			}
		}
		p.Faults = append(p.Faults, v.violation(broken, nil))
	}
}

func delimiterName(d string) string {
	return map[string]string{",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", sheet.Blanks: "blanks"}[d]
}

func chosenOf(options []option, now string) []option {
	chosen := slices.Clone(options)
	for i := range chosen {
		chosen[i].Chosen = chosen[i].Value == now
	}
	return chosen
}

// importTargets are what a column can be, of what the visitor sees, in his words: Lines › Quantity, Customer (Code).
func importTargets(v *visit, k crm.Kind, fields []field) []option {
	var targets []option
	for _, path := range transfer.Paths(k) {
		if label := v.targetLabel(path, fields); label != "" {
			targets = append(targets, option{Value: path, Label: label})
		}
	}
	for _, f := range fields {
		if f.custom() {
			targets = append(targets, option{Value: strings.Replace(f.Name, ".", "/", 1), Label: f.label})
		}
	}
	return targets
}

// targetLabel is what a path is called; "" if the visitor sees nothing of it.
func (v *visit) targetLabel(path string, fields []field) string {
	steps := strings.Split(path, "/")
	i := slices.IndexFunc(fields, func(f field) bool { return f.Name == steps[0] })
	if i < 0 {
		return ""
	}
	f := fields[i]
	label, steps := f.label, steps[1:]
	if f.Type == "list" || f.Type == "object" {
		j := slices.IndexFunc(f.fields, func(inner field) bool { return inner.Name == steps[0] })
		if j < 0 {
			return ""
		}
		f, label, steps = f.fields[j], label+" › "+f.fields[j].label, steps[1:]
	}
	switch {
	case len(steps) > 0:
		label += " (" + v.label(string(f.Refers)+"."+steps[0]) + ")"
	case f.Refers != "":
		label += " (ID)"
	}
	return label
}

// changeImport sets how the rows of an import become records, and asks for a preview if that is what the visitor wants.
func (c *Console) changeImport(ctx context.Context, v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	i, err := get(ctx, v, func(tx pgx.Tx) (transfer.Import, error) { return v.importIn(ctx, tx) })
	if err != nil {
		return err
	}
	change := v.importChange(i)
	changed, err := c.transfers.ChangeImport(ctx, c.DB, v.who.Principal, i.ID, change)
	if err != nil {
		return c.writeImport(ctx, v, withChange(i, change), err)
	}
	if v.r.Form.Get("do") != "preview" {
		return v.done("/imports/"+i.ID.String(), "import_changed")
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		_, err := c.transfers.Preview(ctx, tx, changed.ID)
		return err
	})
	if err != nil {
		return c.writeImport(ctx, v, changed, err)
	}
	return v.done("/imports/"+i.ID.String(), "import_previewing")
}

// importErrors gives the rows that did not go in, as a file.
func (c *Console) importErrors(ctx context.Context, v *visit) error {
	i, err := get(ctx, v, func(tx pgx.Tx) (transfer.Import, error) { return v.importIn(ctx, tx) })
	if err != nil {
		return err
	}
	return v.give(download{
		name: v.say("import.errors_of", i.Name) + ".csv", mediaType: "text/csv; charset=utf-8",
		send: func(w io.Writer) error { return c.transfers.WriteRefusals(ctx, c.DB, v.who.Principal, i, w) },
	})
}

// followImport streams the import's progress, until it has ended.
func (c *Console) followImport(ctx context.Context, v *visit) error {
	return v.follow(ctx, liveEvery, func(ctx context.Context) (g glance, err error) {
		i, err := get(ctx, v, func(tx pgx.Tx) (transfer.Import, error) { return v.importIn(ctx, tx) })
		if err != nil {
			return g, err
		}
		g.open = working(i.Status)
		g.fragment, err = c.render.render(v.lang, "import", "import-progress", i)
		return g, err
	})
}
