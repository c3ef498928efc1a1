package match_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crmhub/core/match"
)

func TestCompanyNamesAreNormal(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"华为技术有限公司":                     "华为技术",
		" 华为技术 股份有限公司 ":                "华为技术",
		"华为技术（中国）有限公司":                 "华为技术",
		"华为技术有限责任公司":                   "华为技术",
		"联想集团有限公司":                     "联想",
		"华为技术有限公司上海分公司":                "华为技术有限公司上海分公司",
		"中国工商银行股份有限公司北京分公司":            "中国工商银行股份有限公司北京分公司",
		"Northwind Traders Co., Ltd.":  "northwindtraders",
		"Northwind-Traders, Inc":       "northwindtraders",
		"Müller & Söhne GmbH & Co. KG": "müllersöhne",
		"Northwind S.A.":               "northwind",
		"Northwind Branch Ltd":         "northwindbranch",
		"ＡＢＣ Ｃｏ．，Ｌｔｄ":                  "abc",
		"Inc":                          "inc",
		"有限公司":                         "有限公司",
		"":                             "",
	} {
		if got := match.CompanyName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestPhonesAreNormal(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"13912345678":        "+8613912345678",
		"+86 139 1234 5678":  "+8613912345678",
		"0086-139-1234-5678": "+8613912345678",
		"8613912345678":      "+8613912345678",
		"(010) 1234 5678":    "+861012345678",
		"+49 (0)30 123456":   "+4930123456",
		"+49 30 123456 x12":  "+4930123456",
		"12345":              "",
		"":                   "",
	} {
		if got := match.E164(number); got != want {
			t.Errorf("%q: got %q, want %q", number, got, want)
		}
	}
}

func TestScoresHaveReasons(t *testing.T) {
	t.Parallel()
	company := func(name, phone, email, uscc, city string) match.Keys {
		var ks match.Keys
		ks.AddCompany(name)
		ks.AddPhone(phone)
		ks.AddEmail(email)
		ks.AddUSCC(uscc)
		ks.AddCity(city)
		return ks
	}
	person := func(name, phone, customer string) match.Keys {
		var ks match.Keys
		ks.AddPerson(name, customer)
		ks.AddPhone(phone)
		return ks
	}
	const uscc = "91350100M000100Y43"
	for name, tc := range map[string]struct {
		a, b match.Keys
		want match.Result
	}{
		"the same code":   {company("a", "", "", uscc, ""), company("b", "", "", uscc, ""), match.Result{Score: 100, Reasons: []match.Reason{{"uscc", 100}}}},
		"name and city":   {company("华为技术有限公司", "", "", "", "深圳市"), company("华为技术", "", "", "", "深圳"), match.Result{Score: 70, Reasons: []match.Reason{{"name", 60}, {"city", 10}}}},
		"phone and name":  {company("A Ltd", "13912345678", "", "", ""), company("A Inc.", "+86 139 12345678", "", "", ""), match.Result{Score: 120, Reasons: []match.Reason{{"phone", 60}, {"name", 60}}}},
		"e-mail":          {company("a", "", "x@a.com", "", ""), company("b", "", "X@A.com", "", ""), match.Result{Score: 60, Reasons: []match.Reason{{"email", 60}}}},
		"domain and like": {company("Northwind Traders Berlin", "", "x@a.com", "", ""), company("Northwind Traders Berlins", "", "y@a.com", "", ""), match.Result{Score: 60, Reasons: []match.Reason{{"domain", 20}, {"similar_name", 40}}}},
		"free mail":       {company("a", "", "x@qq.com", "", ""), company("b", "", "y@qq.com", "", ""), match.Result{Score: 0, Reasons: []match.Reason{}}},
		"city only":       {company("a", "", "", "", "深圳"), company("b", "", "", "", "深圳"), match.Result{Score: 0, Reasons: []match.Reason{}}},
		"branch":          {company("华为技术有限公司", "", "", "", ""), company("华为技术有限公司上海分公司", "", "", "", ""), match.Result{Score: 0, Reasons: []match.Reason{}}},
		"people":          {person("Ann Lee", "13912345678", "1"), person("ann  lee", "13912345678", "2"), match.Result{Score: 80, Reasons: []match.Reason{{"phone", 60}, {"full_name", 20}}}},
		"at a customer":   {person("李 明", "13912345678", "1"), person("李明", "13912345678", "1"), match.Result{Score: 120, Reasons: []match.Reason{{"phone", 60}, {"person", 60}}}},
	} {
		got := match.Compare(tc.a, tc.b)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(got, match.Compare(tc.b, tc.a)); diff != "" {
			t.Errorf("%s, the other way (-ab +ba):\n%s", name, diff)
		}
	}
}

func TestNormalFormsAreStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[一-十华为技术集团有限公司分 (中国)A-Za-z.&,]{0,20}`), rapid.StringMatching(`[+(]?[0-9 ()/-]{0,20}`)).Draw(t, "text")
		if once := match.E164(s); match.E164(once) != once {
			t.Errorf("%q: %q becomes %q", s, once, match.E164(once))
		}
		if strings.HasSuffix(s, "分公司") && !strings.HasSuffix(match.CompanyName(s), "分公司") {
			t.Errorf("%q: the branch is lost: %q", s, match.CompanyName(s))
		}
		if l := match.Likeness(s, s); l != 1 && len([]rune(s)) > 1 {
			t.Errorf("%q is like itself by %v", s, l)
		}
		if once := match.PersonName(s); match.PersonName(once) != once {
			t.Errorf("%q: %q becomes %q", s, once, match.PersonName(once))
		}
	})
}
