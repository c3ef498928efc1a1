package console

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/report"
)

// searchPage is what a text finds: pages of the console, and records that the visitor may see.
type searchPage struct {
	Text   string
	Pages  []entry
	Groups []hitGroup
}

type hitGroup struct {
	Kind crm.Kind
	Icon string
	All  string // the list with all of them
	Hits []hit
}

type hit struct {
	crm.Hit
	Link string
}

// Nothing reports whether nothing was found.
func (p searchPage) Nothing() bool { return len(p.Pages) == 0 && len(p.Groups) == 0 }

// hitsShown is how many records of a kind the search page shows.
const hitsShown = 5

// search shows what a text finds; with part=hits only the hits, as the script asks for them.
func (c *Console) search(ctx context.Context, v *visit) error {
	p := searchPage{Text: strings.TrimSpace(v.r.URL.Query().Get("q"))}
	if p.Text != "" {
		p.Pages = v.pagesNamed(p.Text)
		err := v.as(ctx, func(tx pgx.Tx) error {
			for _, k := range crm.Kinds() {
				hits, err := v.hits(ctx, tx, k, p.Text, hitsShown)
				if err != nil {
					return err
				}
				if len(hits) == 0 {
					continue
				}
				g := hitGroup{Kind: k, Icon: viewOf(k).icon}
				for _, h := range hits {
					if h.Title == "" {
						h.Title = h.Subtitle
					}
					g.Hits = append(g.Hits, hit{h, pathOf(k) + "/" + h.ID.String()})
				}
				if len(hits) == hitsShown {
					g.All = listSearch(k, p.Text)
				}
				p.Groups = append(p.Groups, g)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if v.r.URL.Query().Get("part") == "hits" {
		return v.showPart("search", "hits", p)
	}
	return v.show("search", p)
}

// pagesNamed are pages, reports and new forms whose names hold the text.
func (v *visit) pagesNamed(text string) []entry {
	var found []entry
	holds := func(s string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(text)) }
	for _, s := range navigate(v.who, "") {
		for _, e := range s.Items {
			if e.Key = v.say(e.Key); holds(e.Key) {
				found = append(found, e)
			}
		}
	}
	if v.who.May(access.Reports, access.Read) != "" {
		for _, r := range report.All() {
			if title := v.wordsOf(r.Title); holds(title) && v.reportRefused(r) == "" {
				found = append(found, entry{Key: title, To: reportPath(r.Name), Icon: "chart"})
			}
		}
	}
	for _, k := range crm.Kinds() {
		w := viewOf(k)
		if key := v.say("form.new", v.kindWord(k)); holds(key) && v.who.May(w.resource(), access.Create) != "" {
			found = append(found, entry{Key: key, To: w.path() + "/new", Icon: "plus"})
		}
	}
	return found[:min(len(found), 6)]
}

// choose lists what a reference may be set to, for the script beside its input.
func (c *Console) choose(ctx context.Context, v *visit) error {
	k, err := crm.ParseKind(v.r.PathValue("kind"))
	if err != nil {
		return crm.ErrNotFound
	}
	hits, err := get(ctx, v, func(tx pgx.Tx) ([]crm.Hit, error) { return v.hits(ctx, tx, k, v.r.URL.Query().Get("q"), 8) })
	if err != nil {
		return err
	}
	return v.showPart("form", "choices", hits)
}
