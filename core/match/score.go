package match

import "slices"

// Reason is a fact that two records share, and what it counts.
type Reason struct {
	Kind  string `json:"kind" enum:"uscc,tax_id,phone,email,domain,name,similar_name,full_name,person,city,key" doc:"What is the same: similar_name is nearly the same name, person a name at the same customer, key a field by which a mapping recognizes records."`
	Score int    `json:"score" doc:"What it counts."`
}

// Class says what a score asks for.
type Class string

// The classes.
const (
	Same     Class = "same"     // 100 and more: nothing is made or left without somebody's say
	Possible Class = "possible" // 60 to 99: somebody should look
	Distinct Class = "distinct"
)

// Result is how much two records have in common.
type Result struct {
	Score   int      `json:"score" doc:"100 and more is the same, 60 to 99 possibly."`
	Reasons []Reason `json:"reasons" nullable:"false" doc:"What it is made of."`
}

// Class says what the score asks for.
func (r Result) Class() Class {
	switch {
	case r.Score >= 100:
		return Same
	case r.Score >= 60:
		return Possible
	default:
		return Distinct
	}
}

// weights are what shared facts count. What another implies counts once: an equal USCC is an equal tax number as well.
var weights = []Reason{ //nolint:gochecknoglobals // a table
	{USCC, 100}, {TaxID, 100}, {Phone, 60}, {Email, 60}, {Domain, 20}, {Name, 60}, {Person, 60}, {FullName, 20}, {City, 10},
}

const (
	similarName = 40
	// similar is from which likeness on two names count as nearly the same.
	similar = 0.8
)

// Compare scores two records of companies, or of people.
func Compare(a, b Keys) Result { return Weigh(a.Shared(b), a.Name(), b.Name()) }

// Weigh scores what two records share, and the likeness of their names where these differ.
func Weigh(shared Keys, name, other string) Result {
	likeness := 0.0
	if name != other {
		likeness = Likeness(name, other)
	}
	r := Result{Reasons: []Reason{}}
	has := func(kind string) bool {
		return slices.ContainsFunc(shared, func(k Key) bool { return k.Kind() == kind })
	}
	for _, w := range weights {
		if !has(w.Kind) ||
			w.Kind == TaxID && has(USCC) ||
			w.Kind == Domain && has(Email) ||
			w.Kind == FullName && has(Person) ||
			w.Kind == City && r.Score == 0 && likeness < similar {
			continue
		}
		r.Reasons, r.Score = append(r.Reasons, w), r.Score+w.Score
	}
	if likeness >= similar {
		r.Reasons, r.Score = append(r.Reasons, Reason{"similar_name", similarName}), r.Score+similarName
	}
	return r
}

// Likeness is how many of the pairs of neighbouring characters that either text has both have (Jaccard), from 0 to 1.
func Likeness(a, b string) float64 {
	x, y := pairs(a), pairs(b)
	both, i, j := 0, 0, 0
	for i < len(x) && j < len(y) {
		switch {
		case x[i] < y[j]:
			i++
		case x[i] > y[j]:
			j++
		default:
			both, i, j = both+1, i+1, j+1
		}
	}
	if len(x)+len(y) == both {
		return 0
	}
	return float64(both) / float64(len(x)+len(y)-both)
}

// pairs are the pairs of neighbouring characters, in order, each once.
func pairs(s string) []uint64 {
	set := make([]uint64, 0, len(s))
	before := rune(-1)
	for _, r := range s {
		if before >= 0 {
			set = append(set, uint64(before)<<32|uint64(r)) //nolint:gosec // no character is negative
		}
		before = r
	}
	slices.Sort(set)
	return slices.Compact(set)
}
