package access

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"crmhub/core/schema"
)

// checkName judges a name that must be given. Its longest counts characters.
func checkName(pointer, name string, longest int) schema.Violations {
	fault := func(rule, message string) schema.Violations {
		return schema.Violations{{Pointer: pointer, Rule: rule, Message: message}}
	}
	switch {
	case name == "":
		return fault("required", "is required")
	case utf8.RuneCountInString(name) > longest:
		return fault("maxLength", fmt.Sprintf("must have at most %d characters", longest))
	case strings.Contains(name, "\x00"):
		return fault("pattern", "must not have the character 0")
	}
	return nil
}
