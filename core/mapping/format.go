package mapping

import "github.com/shopspring/decimal"

var formats = []string{"date", "date-time", "unix", "unix_ms", "decimal", "integer", "text"} //nolint:gochecknoglobals // a constant list

// format gives the conversion that a rule names. The error says why it does not fit.
func format(w *written, crm, remote node, in ways) (conversion, error) {
	scalar := remote.is("string") || remote.is("integer")
	dated := w.format == "date" || w.format == "date-time"
	switch {
	case w.layout != "" && !dated:
		return conversion{}, because("map_layout_belongs", "a layout belongs to the format date or date-time")
	case w.zone != "" && !dated && w.format != "unix" && w.format != "unix_ms":
		return conversion{}, because("map_zone_belongs", "a zone belongs to the format date, date-time, unix or unix_ms")
	}
	switch w.format {
	case "date", "date-time":
		if crm.format() != w.format && !crm.open() && (crm.format() != "" || !crm.is("string")) {
			return conversion{}, because("map_format_kind", "the format "+w.format+" is for ours of that kind")
		}
		if !scalar {
			return conversion{}, because("map_time_fits", "a time is a text or a number")
		}
		return times(w, w.format, remote, in)
	case "unix", "unix_ms":
		if !crm.open() && !isTime(crm.format()) || !scalar {
			return conversion{}, because("map_format_instant", "the format "+w.format+" is for a date or an instant here, a number there")
		}
		return times(w, timeKind(crm), remote, in)
	case "decimal":
		if !crm.open() && !crm.isDecimal() || !scalar {
			return conversion{}, because("map_format_decimal", "the format decimal is for a decimal here, a number or text there")
		}
		return decimals(remote, decimal.NewFromInt(1)), nil
	case "integer":
		if !crm.is("string") && !crm.is("integer") || !scalar {
			return conversion{}, because("map_format_integer", "the format integer is for a number or a text on both sides")
		}
		c := conversion{push: toInteger, pull: toInteger}
		if remote.only("string") {
			c.push = toIntegerText
		}
		if crm.only("string") {
			c.pull = toIntegerText
		}
		return c, nil
	}
	if !crm.is("string") || !scalar && !remote.is("boolean") {
		return conversion{}, because("map_format_text", "the format text is for a text here and a text, number, true or false there")
	}
	return conversion{push: fromText(remote), pull: toText}, nil
}
