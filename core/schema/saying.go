package schema

import "fmt"

// Saying is what the hub says to people, in a form that each reader's catalogue has words for. A text in English stands
// beside it, for those that have none.
type Saying struct {
	Code string   `json:"code"`           // stable: waits_for
	Args []string `json:"args,omitempty"` // what the words are about: neither secrets nor personal data
}

// Say returns a saying; its arguments are written as fmt writes them.
func Say(code string, args ...any) *Saying {
	s := &Saying{Code: code}
	for _, arg := range args {
		s.Args = append(s.Args, fmt.Sprint(arg))
	}
	return s
}

// Saying says which rule is broken, and how many others are; nil if none is.
func (vs Violations) Saying() *Saying {
	switch len(vs) {
	case 0:
		return nil
	case 1:
		return Say("broken", vs[0].Pointer, vs[0].Rule)
	}
	return Say("broken_all", vs[0].Pointer, vs[0].Rule, len(vs)-1)
}
