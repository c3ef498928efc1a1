package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed template/*.html
var templates embed.FS

//go:embed locale/*.json
var locales embed.FS

//go:embed asset
var assets embed.FS

// languages are what the console speaks; the first is what it speaks when it cannot tell.
var languages = []string{"en", "zh-CN"} //nolint:gochecknoglobals // a constant list

// renderer holds every page in every language.
type renderer struct {
	pages  map[string]map[string]lazyPage // by language and name
	words  map[string]catalogue           // by language
	assets map[string]asset               // by fingerprinted name
}

// lazyPage parses a template within the layout when it is first shown, and keeps it: all of them in all languages would be more
// than half of what an idle hub holds.
type lazyPage func() (*template.Template, error)

type asset struct {
	body []byte
	kind string
}

// catalogue holds the words of one language by key.
type catalogue map[string]string

// text returns the words of a key; arguments fill its %s and %d. An unknown key shows as itself, which a test refuses.
func (c catalogue) text(key string, args ...any) string {
	s, ok := c[key]
	if !ok {
		return key
	}
	if len(args) == 0 {
		return s
	}
	return fmt.Sprintf(s, args...)
}

// act says what was done, or how it went, in words; what is not known here is said as it is stored.
func (c catalogue) act(code string) string {
	if words, ok := c["act."+code]; ok {
		return words
	}
	return code
}

// say is text for a template: what is HTML already, such as a time, stays so within the words, and other texts are escaped.
func (c catalogue) say(key string, args ...any) any {
	if !slices.ContainsFunc(args, func(arg any) bool { _, is := arg.(template.HTML); return is }) {
		return c.text(key, args...)
	}
	safe := make([]any, len(args))
	for i, arg := range args {
		safe[i] = arg
		if text, is := arg.(string); is {
			safe[i] = template.HTMLEscapeString(text)
		}
	}
	return template.HTML(c.text(key, safe...)) //nolint:gosec // escaped above
}

// embedded is the renderer of the program's own files: they never change, and parsing them takes a while.
var embedded = sync.OnceValues(newRenderer) //nolint:gochecknoglobals // derived from what is embedded

func newRenderer() (*renderer, error) {
	r := &renderer{pages: map[string]map[string]lazyPage{}, words: map[string]catalogue{}, assets: map[string]asset{}}
	names, err := r.loadAssets()
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(templates, "template/*.html")
	if err != nil {
		return nil, err
	}
	for _, lang := range languages {
		words, err := loadCatalogue(lang)
		if err != nil {
			return nil, err
		}
		r.words[lang] = words
		r.pages[lang] = map[string]lazyPage{}
		frame, err := template.New("layout.html").Option("missingkey=error").Funcs(functions(lang, words, r.words[languages[0]], names)).
			ParseFS(templates, "template/layout.html", "template/parts.html")
		if err != nil {
			return nil, fmt.Errorf("frame of all pages: %w", err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(path.Base(file), ".html")
			if name == "layout" || name == "parts" {
				continue
			}
			r.pages[lang][name] = sync.OnceValues(func() (*template.Template, error) {
				p, err := frame.Clone()
				if err != nil {
					return nil, err
				}
				return p.ParseFS(templates, file)
			})
		}
	}
	return r, nil
}

func loadCatalogue(lang string) (catalogue, error) {
	b, err := locales.ReadFile("locale/" + lang + ".json")
	if err != nil {
		return nil, err
	}
	var c catalogue
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("catalogue %s: %w", lang, err)
	}
	return c, nil
}

// loadAssets reads style and script under names that carry a digest, so that browsers may keep them for ever.
func (r *renderer) loadAssets() (map[string]string, error) {
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	names := map[string]string{}
	entries, err := fs.ReadDir(assets, "asset")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		b, err := fs.ReadFile(assets, "asset/"+e.Name())
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		ext := path.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		names[e.Name()] = "/assets/" + name
		r.assets[name] = asset{b, kinds[ext]}
	}
	return names, nil
}

func (r *renderer) serveAsset(w http.ResponseWriter, req *http.Request) {
	a, ok := r.assets[req.PathValue("name")]
	if !ok {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	send(w, req, http.StatusOK, a.body)
}

// render writes a page: its own template within the layout, or with part only that template of the page.
func (r *renderer) render(lang, name, part string, data any) ([]byte, error) {
	load, ok := r.pages[lang][name]
	if !ok {
		return nil, fmt.Errorf("no page %q in %q", name, lang)
	}
	t, err := load()
	if err != nil {
		return nil, fmt.Errorf("page %s: %w", name, err)
	}
	if part == "" {
		part = "layout.html"
	}
	var b bytes.Buffer
	if err = t.ExecuteTemplate(&b, part, data); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return b.Bytes(), nil
}
