package console

// pager says where the pages of a list are: URLs, "" where there is none. The data of a page with a list embed it.
type pager struct{ First, Next string }

// pagerOf is the pager of the page that after asked for and next follows. at is where the page after a place is.
func pagerOf(at func(after string) string, after, next string) (p pager) {
	if after != "" {
		p.First = at("")
	}
	if next != "" {
		p.Next = at(next)
	}
	return p
}

// from is where the pages of a list are whose address says nothing else.
func from(path string) func(after string) string {
	return func(after string) string { return urlOf(path, map[string]string{"after": after}) }
}
