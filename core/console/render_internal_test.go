package console

import "testing"

// A page is parsed when it is first shown: what cannot be parsed must be found here.
func TestEveryPageParsesInEveryLanguage(t *testing.T) {
	r, err := newRenderer()
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range languages {
		if len(r.pages[lang]) < 50 {
			t.Errorf("%s has %d pages", lang, len(r.pages[lang]))
		}
		for name, load := range r.pages[lang] {
			if _, err := load(); err != nil {
				t.Errorf("%s in %s: %v", name, lang, err)
			}
		}
	}
}
