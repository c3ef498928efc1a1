package match

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// plain is a text in NFKC and lower case, letters and digits only.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return r
		}
		return -1
	}, strings.ToLower(norm.NFKC.String(s)))
}

func alphanumeric(s string) string { return strings.ToUpper(plain(s)) }

// asianForms are legal forms at an end of a name that is written without blanks, the longer first.
var asianForms = []string{ //nolint:gochecknoglobals // a table
	"集团股份有限责任公司", "集团股份有限公司", "集团有限责任公司", "股份有限责任公司", "集团股份公司", "集团有限公司", "股份有限公司", "有限责任公司", "股份公司", "集团公司", "有限公司", "总公司", "公司", "集团",
	"特殊普通合伙", "普通合伙", "有限合伙", "个体工商户",
	"株式会社", "有限会社", "合同会社", "合資会社", "合名会社", "주식회사", "유한책임회사", "유한회사",
}

// leadingForms are those of them that stand before a name, too.
var leadingForms = []string{"株式会社", "有限会社", "合同会社", "合資会社", "合名会社", "주식회사", "유한책임회사", "유한회사"} //nolint:gochecknoglobals // a table

// short are legal forms as they are abbreviated in brackets, and simplified the signs of forms that are written traditionally.
var (
	short      = strings.NewReplacer("(株)", "株式会社", "(有)", "有限会社", "(同)", "合同会社", "(주)", "주식회사", "(유)", "유한회사")            //nolint:gochecknoglobals // a table
	simplified = strings.NewReplacer("集團", "集团", "責任", "责任", "總公司", "总公司", "株式會社", "株式会社", "有限合夥", "有限合伙", "普通合夥", "普通合伙") //nolint:gochecknoglobals // a table
)

// endings are legal forms as the last words of a name, without dots.
var endings = phrases( //nolint:gochecknoglobals // a table
	"&", "co", "company", "company limited", "corp", "corporation", "inc", "incorporated", "ltd", "limited", "private limited", "public limited company", "pvt", "llc", "llp", "lp", "pllc", "plc",
	"pte", "pty", "sdn", "bhd", "tbk", "kk", "gk", "gmbh", "gesmbh", "ges mbh", "ges m b h", "g m b h", "mbh", "ggmbh", "ag", "kg", "kgaa", "ohg", "ug", "ug haftungsbeschränkt", "ek", "e k", "eg", "ev", "e v", "gbr",
	"gesellschaft mit beschränkter haftung", "aktiengesellschaft", "kommanditgesellschaft", "se",
	"sa", "s a", "sas", "sasu", "sarl", "sàrl", "sà rl", "sa rl", "eurl", "snc", "sca", "scs", "spa", "srl", "srls", "sapa", "sl", "slu", "sau", "sa de cv", "s de rl de cv", "s de rl", "ltda", "lda",
	"bv", "bvba", "nv", "vof", "ab", "hb", "as", "a s", "asa", "aps", "i s", "oy", "oyj", "ehf", "hf",
	"kft", "zrt", "nyrt", "bt", "sro", "s r o", "spol s ro", "ks", "vos", "doo", "d o o", "jdoo", "dd", "spzoo", "spz oo", "sp z oo", "sp z o o", "spółka z oo", "spk", "sp k", "spj", "sp j",
	"uab", "sia", "oü", "ood", "eood", "ад", "оод", "еоод", "ооо", "оао", "зао", "пао", "ао", "тов",
	"group", "holding", "holdings",
)

// beginnings are legal forms as the first words of a name.
var beginnings = phrases("ооо", "оао", "зао", "пао", "ао", "тов", "ooo", "oao", "zao", "pao", "uab", "sia", "oü", "pt", "công ty tnhh", "cong ty tnhh", "công ty cổ phần", "cong ty co phan") //nolint:gochecknoglobals // a table

// phrases are texts as words, those of more words first.
func phrases(texts ...string) [][]string {
	all := make([][]string, len(texts))
	for i, text := range texts {
		all[i] = strings.Fields(text)
	}
	slices.SortStableFunc(all, func(a, b []string) int { return len(b) - len(a) })
	return all
}

// CompanyName is a company's name without its legal form, blanks and signs. What belongs to a branch stays: 分公司, branch.
func CompanyName(name string) string {
	folded := short.Replace(strings.ToLower(norm.NFKC.String(name)))
	for _, country := range []string{"(中国)", "(china)"} {
		folded = strings.ReplaceAll(folded, country, " ")
	}
	// a dot belongs to an abbreviation: Co., S.A.
	words := strings.FieldsFunc(strings.NewReplacer(".", "", "'", "", "&", " & ").Replace(folded), func(r rune) bool {
		return r != '&' && !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r)
	})
	whole := plain(strings.Join(words, ""))
	bare := withoutAsianForms(plain(strings.Join(withoutForms(words), "")))
	if bare == "" {
		return whole
	}
	return bare
}

// withoutForms are the words of a name without legal forms at its ends. Something is left.
func withoutForms(words []string) []string {
	for cut := true; cut; {
		cut = false
		for _, form := range endings {
			if at := len(words) - len(form); at > 0 && slices.Equal(words[at:], form) {
				words, cut = words[:at], true
			}
		}
	}
	for _, form := range beginnings {
		if len(words) > len(form) && slices.Equal(words[:len(form)], form) {
			return words[len(form):]
		}
	}
	return words
}

// withoutAsianForms is a name without the legal forms at its ends, unless it is a branch's. Something is left.
func withoutAsianForms(name string) string {
	bare := simplified.Replace(name)
	if strings.HasSuffix(bare, "分公司") || strings.HasSuffix(bare, "子公司") {
		return name
	}
	for _, form := range leadingForms {
		if rest, ok := strings.CutPrefix(bare, form); ok && rest != "" {
			bare = rest
			break
		}
	}
	for cut := true; cut; {
		cut = false
		for _, form := range asianForms {
			if rest, ok := strings.CutSuffix(bare, form); ok {
				if rest != "" {
					bare, cut = rest, true
				}
				break
			}
		}
	}
	return bare
}

// PersonName is a person's name without blanks and signs.
func PersonName(name string) string { return plain(name) }

// E164 is a phone number with its country: +8613912345678. One that says none is of China; one too short to be told from
// others is "". An extension does not count.
func E164(number string) string {
	number = strings.ToLower(norm.NFKC.String(number))
	if i := strings.IndexAny(number, "x#e"); i >= 0 {
		number = number[:i]
	}
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, strings.Replace(number, "(0)", "", 1))
	country := strings.HasPrefix(strings.TrimSpace(strings.TrimLeft(number, " (")), "+")
	if rest, ok := strings.CutPrefix(digits, "00"); ok {
		digits, country = rest, true
	}
	if !country {
		if rest, ok := strings.CutPrefix(digits, "86"); ok && len(rest) == 11 && rest[0] == '1' {
			digits = rest // a mobile number with the country and no plus
		}
		digits = "86" + strings.TrimLeft(digits, "0")
	}
	if len(digits) < 9 || len(digits) > 15 {
		return ""
	}
	return "+" + digits
}

// freeMail are domains where anybody has an address.
func freeMail(domain string) bool {
	return slices.Contains([]string{
		"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "yahoo.com", "ymail.com", "icloud.com", "me.com", "aol.com",
		"proton.me", "protonmail.com", "mail.com", "gmx.de", "gmx.net", "gmx.com", "web.de", "t-online.de", "yandex.ru", "mail.ru", "zoho.com",
		"qq.com", "foxmail.com", "163.com", "126.com", "yeah.net", "vip.163.com", "188.com", "sina.com", "sina.cn", "sohu.com", "139.com", "189.cn", "wo.cn",
		"aliyun.com", "21cn.com", "tom.com", "naver.com", "daum.net", "hanmail.net",
	}, domain)
}
