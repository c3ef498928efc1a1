package journey

import "crmhub/core/access"

// Mask takes out of steps what somebody may not see of the entity. Which part of a body comes from which field nobody can
// tell for sure, so who does not see all fields plainly sees the names in it and no values.
func Mask(steps []Step, entity string, who *access.Permissions) error {
	r := access.Resource(entity)
	if who != nil && len(who.Blind(r)) == 0 {
		return nil
	}
	for i := range steps {
		s := &steps[i]
		switch s.Kind {
		case Change:
			if who == nil {
				s.Detail = nil
				continue
			}
			plain, err := who.Plainly(r, s.Detail)
			if err != nil {
				return err
			}
			s.Detail = plain
		case Conflict:
			if who.Hides(r, s.Message) {
				s.Detail = nil
			}
		case Pushed, Pulled:
			for j := range s.Exchanges {
				e := &s.Exchanges[j]
				e.Request, e.Response = veil(e.Request), veil(e.Response)
			}
		case Act, Difference:
			s.Detail = nil // it has values, or may say how a conflict was settled
		case Published, Linked, DeadLetter:
		}
	}
	return nil
}

// veil replaces the values of a body. What is no whole JSON, such as one that was cut, is replaced altogether.
func veil(body string) string {
	if text := string(access.Veil([]byte(body))); text != `"`+access.Veiled+`"` {
		return text
	}
	return access.Veiled
}
