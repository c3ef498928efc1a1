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

// One company, as its papers, its customers and its neighbours write it.
func TestLegalFormsDoNotMakeAnotherCompany(t *testing.T) {
	t.Parallel()
	for bare, names := range map[string][]string{
		"alpenbau": {
			"Alpenbau GmbH", "Alpenbau G.m.b.H.", "Alpenbau GesmbH", "Alpenbau Ges.m.b.H.", "Alpenbau Ges. m. b. H.", "Alpenbau GmbH & Co KG", "Alpenbau GmbH & Co. KGaA",
			"Alpenbau AG", "Alpenbau AG & Co. OHG", "Alpenbau UG (haftungsbeschränkt)", "Alpenbau gGmbH", "Alpenbau e.K.", "Alpenbau e. K.", "Alpenbau eG", "Alpenbau GbR",
			"Alpenbau Gesellschaft mit beschränkter Haftung", "Alpenbau Aktiengesellschaft", "Alpenbau SE & Co. KGaA",
		},
		"dupont": {
			"Dupont S.A.", "Dupont SA", "Dupont S.A.S.", "Dupont SASU", "Dupont SARL", "Dupont S.à r.l.", "Dupont Sàrl", "Dupont EURL", "Dupont SNC", "Dupont S.A.R.L.",
			"Dupont B.V.B.A.", "Dupont BV", "Dupont N.V.", "Dupont SRL",
		},
		"rossi":       {"Rossi S.p.A.", "Rossi SpA", "Rossi S.r.l.", "Rossi S.r.l.s.", "Rossi S.n.c.", "Rossi S.a.p.a."},
		"garcia":      {"Garcia S.L.", "Garcia S.L.U.", "Garcia S.A.U.", "Garcia S.A. de C.V.", "Garcia S. de R.L. de C.V.", "Garcia Ltda.", "Garcia Lda", "Garcia S/A"},
		"kowalski":    {"Kowalski Sp. z o.o.", "Kowalski sp. z o. o.", "Kowalski Sp.z o.o.", "Kowalski Sp. z o.o. Sp. k.", "Kowalski S.A.", "Kowalski Spółka z o.o."},
		"novak":       {"Novak s.r.o.", "Novak, spol. s r.o.", "Novak a.s.", "Novak k.s.", "Novak d.o.o.", "Novak d.d.", "Novak j.d.o.o."},
		"szabo":       {"Szabo Kft.", "Szabo Zrt.", "Szabo Nyrt.", "Szabo Bt."},
		"nordlys":     {"Nordlys A/S", "Nordlys AS", "Nordlys ASA", "Nordlys ApS", "Nordlys AB", "Nordlys Oy", "Nordlys Oyj", "Nordlys Oy Ab", "Nordlys I/S", "Nordlys HB", "Nordlys ehf.", "Nordlys hf."},
		"baltika":     {"UAB Baltika", "Baltika UAB", "SIA Baltika", "Baltika SIA", "OÜ Baltika", "Baltika OÜ"},
		"ромашка":     {"ООО «Ромашка»", "ООО Ромашка", "ЗАО Ромашка", "АО «Ромашка»", "ПАО Ромашка", "ТОВ Ромашка", "Ромашка ООД", "Ромашка ЕООД", "Ромашка АД"},
		"acme":        {"Acme Inc.", "Acme, L.L.C.", "Acme LLP", "Acme L.P.", "Acme PLLC", "Acme Pty Ltd", "Acme (Pty) Ltd.", "Acme Pte. Ltd.", "Acme Pvt. Ltd.", "Acme Private Limited", "Acme Sdn. Bhd.", "PT Acme Tbk", "Acme K.K.", "Acme Co., Ltd", "Acme Company Limited", "Acme P.L.C.", "Acme Public Limited Company"},
		"テスト":         {"株式会社テスト", "テスト株式会社", "(株)テスト", "㈱テスト", "有限会社テスト", "合同会社テスト", "テスト(有)"},
		"테스트":         {"주식회사 테스트", "(주)테스트", "㈜테스트", "테스트 주식회사", "유한회사 테스트"},
		"baominh":     {"Cong ty TNHH Bao Minh", "Cong ty Co phan Bao Minh"},
		"华为技术":        {"华为技术有限公司", "华为技术有限責任公司", "华为技术集团股份有限公司", "华为技术（集团）有限公司", "华为技术集团", "华为技术總公司", "华为技术总公司", "华为技术股份公司", "华为技术集團有限公司"},
		"红杉投资中心":      {"红杉投资中心（有限合伙）", "红杉投资中心(普通合伙)", "红杉投资中心（特殊普通合伙）"},
		"老王小吃店":       {"老王小吃店（个体工商户）", "老王小吃店"},
		"华为技术有限公司分公司": {"华为技术有限公司分公司"},
		"中国石化集团公司办事处": {"中国石化集团公司办事处"},
		"as":          {"AS", "A/S"},
		"株式会社":        {"株式会社"},
	} {
		for _, name := range names {
			if got := match.CompanyName(name); got != bare {
				t.Errorf("%q: got %q, want %q", name, got, bare)
			}
		}
	}
	for _, names := range [][2]string{{"Alpha", "Alpha Branch"}, {"华为技术有限公司", "华为技术有限公司分公司"}, {"华为技术有限公司北京分公司", "华为技术有限公司上海分公司"}, {"Co-op", "Co"}, {"Oasis", "O"}} {
		if match.CompanyName(names[0]) == match.CompanyName(names[1]) {
			t.Errorf("%q and %q are one", names[0], names[1])
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
