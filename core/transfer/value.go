package transfer

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
	"golang.org/x/text/width"

	"crmhub/core/crm"
	"crmhub/core/sheet"
)

// fault is why a cell is no value: a rule and a sentence.
type fault struct{ rule, message string }

// valueOf reads a cell, not empty, of a file with that decimal mark as the JSON value of a field. kept is one that a workbook keeps as a number.
func valueOf(f crm.Field, cell, mark string, kept bool) (any, *fault) {
	switch f.Type {
	case "number":
		return numberOf(cell, mark, kept)
	case "integer":
		return integerOf(cell, mark, kept)
	case "boolean":
		return booleanOf(cell)
	case "date":
		return dateOf(cell)
	case "instant":
		return instantOf(cell)
	case "texts":
		return textsOf(cell), nil
	case "id":
		id, err := uuid.Parse(cell)
		if err != nil || len(cell) != 36 {
			return nil, &fault{"format", "must be a UUID"}
		}
		return id.String(), nil
	}
	switch {
	case len(f.Enum) > 0:
		return choiceOf(f, cell), nil
	case f.Format == "country":
		return countryOf(cell), nil
	default:
		return cell, nil
	}
}

// textsOf takes an enumeration apart: vip, key account.
func textsOf(cell string) []any {
	list := []any{}
	for part := range strings.FieldsFuncSeq(cell, func(r rune) bool { return strings.ContainsRune(",，、;；\n", r) }) {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// choiceOf finds a cell among the words a field allows, whatever its letters' case; in Chinese too. What is none of
// them stays, for the field's rule to refuse.
func choiceOf(f crm.Field, cell string) string {
	word := strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(cell))
	for _, e := range f.Enum {
		if strings.ToLower(e) == word {
			return e
		}
	}
	for _, e := range chineseWords[cell] {
		if slices.Contains(f.Enum, e) {
			return e
		}
	}
	return cell
}

// chineseWords are what the words of fields are called; some stand for several, of which a field allows one.
var chineseWords = map[string][]string{ //nolint:gochecknoglobals // a table
	"公司": {"company"}, "企业": {"company"}, "单位": {"company"}, "个人": {"person"},
	"线索": {"lead"}, "潜在": {"potential"}, "潜在客户": {"potential"}, "成交": {"customer"}, "成交客户": {"customer"}, "客户": {"customer"},
	"休眠": {"dormant"}, "流失": {"churned"}, "黑名单": {"blacklisted"}, "其他": {"other"}, "其它": {"other"},
	"决策人": {"decision_maker"}, "评估人": {"evaluator"}, "影响人": {"influencer"}, "使用人": {"user"}, "财务": {"finance"},
	"草稿": {"draft"}, "已提交": {"submitted"}, "已确认": {"confirmed"}, "进行中": {"in_progress"}, "挂起": {"on_hold"}, "已完成": {"completed"},
	"已关闭": {"closed_short"}, "已取消": {"cancelled"}, "作废": {"cancelled"}, "已开票": {"issued"}, "已过账": {"posted"},
	"发票": {"invoice"}, "红字发票": {"credit_note"}, "未付": {"unpaid"}, "部分付款": {"partial"}, "已付": {"paid"}, "无": {"none"}, "部分": {"partial"}, "全部": {"full"},
	"账单": {"bill"}, "收货": {"ship"},
}

func booleanOf(cell string) (any, *fault) {
	switch strings.ToLower(cell) {
	case "true", "yes", "y", "t", "1", "是", "对", "有", "√":
		return true, nil
	case "false", "no", "n", "f", "0", "否", "错", "无", "×":
		return false, nil
	}
	return nil, &fault{"format", "must be yes or no"}
}

func integerOf(cell, mark string, kept bool) (any, *fault) {
	s, wrong := numberOf(cell, mark, kept)
	if wrong != nil {
		return nil, wrong
	}
	whole, part, _ := strings.Cut(s.(string), ".")                                 //nolint:forcetypeassert // numberOf gives texts
	if strings.Trim(part, "0") != "" || len(strings.TrimPrefix(whole, "-")) > 18 { // more digits fit no integer here
		return nil, &fault{"type", "must be a whole number"}
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return nil, &fault{"type", "must be a whole number"}
	}
	return json.Number(strconv.FormatInt(n, 10)), nil
}

var (
	digitsForm  = regexp.MustCompile(`^[0-9]{1,40}$`)
	groupedForm = regexp.MustCompile(`^[0-9]{1,3}([.,][0-9]{3})+$`)
)

// numberOf reads a number. One that a workbook keeps as a number has a point, whatever its readers see; a text there is read as text.
func numberOf(cell, mark string, kept bool) (any, *fault) {
	if kept && keptForm.MatchString(cell) {
		return cell, nil
	}
	return decimalOf(cell, mark)
}

var keptForm = regexp.MustCompile(crm.DecimalForm)

// decimalOf reads a number with that decimal mark, with or without separators between thousands, as a decimal with a
// point. Where no mark is told, each number has to tell it: a point or comma before three digits may be either and is
// refused. Blanks and apostrophes may separate thousands, a percent sign may follow, brackets make it negative.
func decimalOf(cell, mark string) (any, *fault) {
	wrong := &fault{"format", "must be a number like 1234.5"}
	s := strings.TrimSpace(width.Narrow.String(cell))
	sign := ""
	if inner, ok := strings.CutPrefix(s, "("); ok {
		if s, ok = strings.CutSuffix(inner, ")"); !ok {
			return nil, wrong
		}
		sign = "-"
	}
	s = strings.Trim(strings.TrimSuffix(s, "%"), " ")
	s = strings.TrimLeft(s, "¥$€£ ")
	switch {
	case sign == "" && (strings.HasPrefix(s, "-") || strings.HasPrefix(s, "−")):
		sign, s = "-", strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(s, "-"), "−"), "¥$€£ ")
	case strings.HasPrefix(s, "+"):
		s = s[1:]
	}
	s, ok := ungroup(s, " ", "\u00a0", "\u202f", "'", "’")
	if !ok {
		return nil, wrong
	}
	whole, part, message := splitDecimal(s, mark)
	if message != "" {
		return nil, &fault{"ambiguous", message}
	}
	if whole == "" && part != "" {
		whole = "0"
	}
	if !digitsForm.MatchString(whole) || part != "" && !digitsForm.MatchString(part) {
		return nil, wrong
	}
	if part != "" {
		whole += "." + part
	}
	return sign + whole, nil
}

// ungroup takes away separators that stand between thousands, and nowhere else.
func ungroup(s string, separators ...string) (string, bool) {
	for _, sep := range separators {
		if !strings.Contains(s, sep) {
			continue
		}
		whole, _, _ := strings.Cut(strings.ReplaceAll(s, ",", "."), ".")
		groups := strings.Split(whole, sep)
		for i, g := range groups {
			if len(g) > 3 || len(g) == 0 || i > 0 && len(g) != 3 {
				return s, false
			}
		}
		return strings.ReplaceAll(s, sep, ""), true
	}
	return s, true
}

// splitDecimal finds the decimal separator.
func splitDecimal(s, mark string) (whole, part, ambiguous string) {
	points, commas := strings.Count(s, "."), strings.Count(s, ",")
	decimal, grouping := ".", ","
	switch {
	case points+commas == 0:
		return s, "", ""
	case mark == sheet.Comma:
		decimal, grouping = ",", "."
	case mark == sheet.Point:
	case points > 0 && commas > 0: // the last one is the decimal separator, the other one separates thousands
		if strings.LastIndex(s, ",") > strings.LastIndex(s, ".") {
			decimal, grouping = ",", "."
		}
	case points+commas > 1: // no number has two decimal separators
		if points > 1 {
			decimal, grouping = ",", "."
		}
	default:
		if commas == 1 {
			decimal, grouping = ",", "."
		}
		whole, part, _ = strings.Cut(s, decimal)
		if len(part) == 3 && len(whole) <= 3 && whole != "" && whole != "0" {
			return "", "", "may be thousands or thousandths: say the file's decimal mark"
		}
	}
	whole, part, _ = strings.Cut(s, decimal)
	if strings.ContainsAny(part, ".,") || strings.Contains(whole, grouping) && !groupedForm.MatchString(whole) {
		return "", "", "has points or commas where the decimal mark explains none"
	}
	return strings.ReplaceAll(whole, grouping, ""), part, ""
}

// The forms of dates in which nothing is left to guess.
var dateForms = []string{ //nolint:gochecknoglobals // a table
	"2006-1-2", "2006/1/2", "2006.1.2", "2006年1月2日", "20060102", "2.1.2006", "2-Jan-2006", "2 Jan 2006", "2 January 2006",
	"Jan 2, 2006", "January 2, 2006",
}

var (
	slashedForm = regexp.MustCompile(`^([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{4})$`)
	timeTail    = regexp.MustCompile(`^(.*[0-9日])[T ]+([0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)$`)
	serialForm  = regexp.MustCompile(`^[0-9]{5,6}(\.[0-9]+)?$`)
)

func dateOf(cell string) (any, *fault) {
	at, wrong := timeOf(cell)
	if wrong != nil {
		return nil, wrong
	}
	return at.Format(time.DateOnly), nil
}

func instantOf(cell string) (any, *fault) {
	at, wrong := timeOf(cell)
	if wrong != nil {
		return nil, wrong
	}
	return at.UTC().Format(time.RFC3339Nano), nil
}

// timeOf reads a date, or a date and a time, which is UTC unless it says another zone.
func timeOf(cell string) (time.Time, *fault) {
	s := strings.TrimSpace(width.Narrow.String(cell))
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, nil
	}
	clock := time.Duration(0)
	if m := timeTail.FindStringSubmatch(s); m != nil {
		form := "15:04"
		if m[3] != "" {
			form = "15:04:05"
		}
		t, err := time.Parse(form, m[2])
		if err != nil {
			return time.Time{}, &fault{"format", "must be a date like 2026-01-02"}
		}
		s, clock = strings.TrimSpace(m[1]), t.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC))
	}
	for _, form := range dateForms {
		if at, err := time.Parse(form, s); err == nil {
			return at.Add(clock), nil
		}
	}
	if m := slashedForm.FindStringSubmatch(s); m != nil {
		return slashed(s, clock)
	}
	if serialForm.MatchString(s) && clock == 0 {
		return serial(s)
	}
	return time.Time{}, &fault{"format", "must be a date like 2026-01-02"}
}

// slashed reads 31/12/2026 and 12/31/2026. 1/2/2026 is a day in January or in February, and is refused.
func slashed(s string, clock time.Duration) (time.Time, *fault) {
	s = strings.ReplaceAll(s, "-", "/")
	dayFirst, errDay := time.Parse("2/1/2006", s)
	monthFirst, errMonth := time.Parse("1/2/2006", s)
	switch {
	case errDay != nil && errMonth != nil:
		return time.Time{}, &fault{"format", "must be a date like 2026-01-02"}
	case errDay == nil && errMonth == nil && !dayFirst.Equal(monthFirst):
		return time.Time{}, &fault{"ambiguous", "may be day/month or month/day: write it like 2026-01-02"}
	case errDay == nil:
		return dayFirst.Add(clock), nil
	default:
		return monthFirst.Add(clock), nil
	}
}

// serial reads a spreadsheet's count of days, which begins on 1899-12-30 for every day after February 1900. Those before
// 1927 (four digits) are taken for something else, such as a year.
func serial(s string) (time.Time, *fault) {
	days, err := strconv.ParseFloat(s, 64)
	if err != nil || days > 2_958_465 { // 9999-12-31
		return time.Time{}, &fault{"format", "must be a date like 2026-01-02"}
	}
	whole, part := math.Modf(days)
	at := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(whole))
	return at.Add(time.Duration(math.Round(part*86_400)) * time.Second), nil
}

// countryOf is the ISO code of a country's name in English or Chinese. What is none stays, for the field's rule to refuse.
func countryOf(cell string) string {
	if code, ok := countries()[plain(cell)]; ok {
		return code
	}
	return cell
}

var countries = sync.OnceValue(func() map[string]string { //nolint:gochecknoglobals // derived once, never written again
	m := map[string]string{"usa": "US", "uk": "GB", "greatbritain": "GB", "england": "GB", "eire": "IE", "中国大陆": "CN", "中华人民共和国": "CN", "prchina": "CN"}
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			r, err := language.ParseRegion(string(a) + string(b))
			if err != nil || !r.IsCountry() || r.Canonicalize() != r {
				continue // UK is GB
			}
			for _, n := range []display.Namer{display.English.Regions(), display.SimplifiedChinese.Regions()} {
				if name := plain(n.Name(r)); name != "" {
					m[name] = r.String()
				}
			}
		}
	}
	return m
})
