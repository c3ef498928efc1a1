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

// chineseForms are legal forms at the end of a Chinese company's name, the longer first.
var chineseForms = []string{ //nolint:gochecknoglobals // a table
	"股份有限责任公司", "集团股份有限公司", "集团有限责任公司", "集团有限公司", "股份有限公司", "有限责任公司", "有限公司", "股份公司", "集团公司", "株式会社", "公司", "集团",
}

// westernForms are legal forms in Western names, as words without dots.
var westernForms = []string{ //nolint:gochecknoglobals // a table
	"co", "company", "corp", "corporation", "inc", "incorporated", "ltd", "limited", "llc", "llp", "plc", "pte", "pty", "gmbh", "mbh", "ag", "kg", "ohg", "ug", "se",
	"sa", "sas", "sarl", "srl", "spa", "bv", "nv", "ab", "as", "aps", "oy", "oyj", "kft", "zrt", "sro", "group", "holding", "holdings",
}

// CompanyName is a company's name without its legal form, blanks and signs. What belongs to a branch stays: 分公司, branch.
func CompanyName(name string) string {
	folded := strings.ToLower(norm.NFKC.String(name))
	for _, country := range []string{"(中国)", "(china)"} {
		folded = strings.ReplaceAll(folded, country, " ")
	}
	// a dot belongs to an abbreviation: Co., S.A.
	words := strings.FieldsFunc(strings.NewReplacer(".", "", "'", "", "&", " & ").Replace(folded), func(r rune) bool {
		return r != '&' && !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r)
	})
	whole := plain(strings.Join(words, ""))
	for len(words) > 1 && (slices.Contains(westernForms, words[len(words)-1]) || words[len(words)-1] == "&") {
		words = words[:len(words)-1]
	}
	bare := plain(strings.Join(words, ""))
	for stripped := true; stripped && !strings.HasSuffix(bare, "分公司") && !strings.HasSuffix(bare, "子公司"); {
		stripped = false
		for _, form := range chineseForms {
			if rest, ok := strings.CutSuffix(bare, form); ok {
				if rest != "" {
					bare, stripped = rest, true
				}
				break
			}
		}
	}
	if bare == "" {
		return whole
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
