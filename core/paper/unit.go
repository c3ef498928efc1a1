package paper

import (
	"strings"

	"crmhub/core/einvoice"
)

// piece is the unit of what is counted without saying in what.
const piece = "C62"

// units are what people call units, as UN/ECE recommendation 20 codes them.
var units = map[string]string{ //nolint:gochecknoglobals // a table
	"": piece, "unit": piece, "units": piece, "one": piece, "个": piece, "件": piece, "只": piece,
	"pc": "H87", "pcs": "H87", "piece": "H87", "pieces": "H87", "stk": "H87", "stück": "H87", "台": "H87", "块": "H87", "张": "H87", "片": "H87",
	"set": "SET", "sets": "SET", "套": "SET", "pair": "PR", "pairs": "PR", "双": "PR", "对": "PR",
	"kg": "KGM", "公斤": "KGM", "千克": "KGM", "g": "GRM", "克": "GRM", "t": "TNE", "吨": "TNE",
	"m": "MTR", "米": "MTR", "cm": "CMT", "mm": "MMT", "km": "KMT", "m2": "MTK", "m²": "MTK", "平方米": "MTK", "m3": "MTQ", "m³": "MTQ", "立方米": "MTQ",
	"l": "LTR", "升": "LTR", "ml": "MLT",
	"h": "HUR", "hour": "HUR", "hours": "HUR", "小时": "HUR", "day": "DAY", "days": "DAY", "天": "DAY", "week": "WEE", "weeks": "WEE", "周": "WEE",
	"month": "MON", "months": "MON", "月": "MON", "year": "ANN", "years": "ANN", "年": "ANN",
	"kwh": "KWH", "box": "XBX", "boxes": "XBX", "箱": "XBX", "盒": "XBX", "pack": "XPK", "包": "XPK", "bag": "XBG", "袋": "XBG", "roll": "XRO", "卷": "XRO",
}

// unitCode is the code of a unit: itself if it is one, else that of what people call it. One that nobody knows counts as
// pieces, and a note keeps its name.
func unitCode(unit string) (code, note string) {
	if code, ok := units[strings.ToLower(strings.TrimSpace(unit))]; ok {
		return code, ""
	}
	if einvoice.IsUnit(unit) {
		return unit, ""
	}
	return piece, "Unit: " + unit
}
