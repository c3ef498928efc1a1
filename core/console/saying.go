package console

import (
	"slices"
	"strings"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/schema"
)

// sayings are what the hub says by a code, and what its arguments are: a prefix of keys that name them in words, or "" for what
// is said as it is, "-" for what only the text says.
var sayings = map[string][]string{ //nolint:gochecknoglobals // a table
	"answered":                 {""},
	"answered_auth":            {""},
	"answered_config":          {""},
	"believed":                 nil,
	"no_tls":                   nil,
	"no_workbook":              nil,
	"workbook_too_large":       nil,
	"row_too_long":             nil,
	"row_too_wide":             nil,
	"open_quote":               nil,
	"may_not_any_more":         nil,
	"asked_by_matching":        nil,
	"bad_address":              nil,
	"bad_certificate":          {""},
	"bad_cursor":               nil,
	"broken":                   {"", "rule."},
	"broken_all":               {"", "rule.", ""},
	"calls_used_up":            {"", ""},
	"cannot_open":              {""},
	"cannot_pull":              {""},
	"certificate_invalid":      {""},
	"certificate_refused":      {""},
	"changed_unseen":           nil,
	"config_wrong":             {""},
	"credentials_refused":      nil,
	"cursor_stands":            nil,
	"deleted_here":             nil,
	"duplicates_there":         {""},
	"ended_early":              nil,
	"exists_there":             nil,
	"fewer_than_before":        {"", "state.entity.", ""},
	"fewer_than_linked":        {"", "state.entity.", ""},
	"field_allocations":        nil,
	"field_before_activity":    nil,
	"field_before_start":       {""},
	"field_between":            {"", ""},
	"field_billed_at_least":    {""},
	"field_credit_left":        {""},
	"field_credit_positive":    nil,
	"field_currency_decimals":  {"", ""},
	"field_custom_name":        nil,
	"field_decimals":           {""},
	"field_digits":             {""},
	"field_feedback":           nil,
	"field_future":             nil,
	"field_instalments":        {""},
	"field_integer":            {""},
	"field_invoice_negative":   nil,
	"field_member":             nil,
	"field_not_negative":       nil,
	"field_open_at_most":       {""},
	"field_other_currency":     {""},
	"field_positive":           nil,
	"field_residual":           {""},
	"field_stages":             nil,
	"field_tax_sum":            nil,
	"field_too_long":           nil,
	"field_total_sum":          nil,
	"field_untaxed_sum":        nil,
	"field_years":              nil,
	"file_waits":               nil,
	"folder_closed":            nil,
	"folder_unusable":          {""},
	"foreign_file":             {""},
	"gone_there":               nil,
	"held_by_matching":         {"", "state.entity."},
	"hung_up":                  nil,
	"internal":                 nil,
	"kafka_credentials":        {""},
	"kafka_invalid":            {""},
	"kafka_no_topic":           {""},
	"kafka_quota":              {""},
	"kafka_rights":             {""},
	"kafka_too_large":          {""},
	"kafka_version":            {""},
	"keeps_changing":           nil,
	"lacks_there":              {"", ""},
	"ledger_has_another":       nil,
	"ledger_lacks":             {"", ""},
	"list_moves":               {"", ""},
	"login_lacks":              {""},
	"manifest_lacks":           {"", ""},
	"map_absent_direction":     nil,
	"map_authority_twice":      {"", ""},
	"map_bad_path":             {"", "said."},
	"map_computed":             {""},
	"map_condition_direction":  nil,
	"map_condition_unfit":      {"said."},
	"map_decimal_fits":         nil,
	"map_default_direction":    nil,
	"map_default_unfit":        {"", ""},
	"map_each":                 nil,
	"map_empty":                nil,
	"map_excluding":            nil,
	"map_expression_alone":     nil,
	"map_expression_direction": nil,
	"map_expression_place":     nil,
	"map_expression_source":    nil,
	"map_expression_unfit":     {"said."},
	"map_file_name":            {"", ""},
	"map_format_decimal":       nil,
	"map_format_instant":       nil,
	"map_format_integer":       nil,
	"map_format_kind":          nil,
	"map_format_text":          nil,
	"map_header":               nil,
	"map_hole":                 {""},
	"map_layout_belongs":       nil,
	"map_layout_digits":        nil,
	"map_layout_form":          nil,
	"map_layout_loses":         nil,
	"map_list_authority":       nil,
	"map_match_no_key":         {"", ""},
	"map_match_unread":         {""},
	"map_must_boolean":         nil,
	"map_must_code":            nil,
	"map_must_date":            nil,
	"map_must_decimal":         nil,
	"map_must_integer":         nil,
	"map_must_number":          nil,
	"map_must_text":            nil,
	"map_never":                nil,
	"map_no_conversion":        {"", "-", "", "-", "said."},
	"map_no_entity":            {""},
	"map_no_entity_schema":     {""},
	"map_no_field":             {"-", ""},
	"map_no_id":                {""},
	"map_no_record_schema":     {""},
	"map_no_yaml":              {""},
	"map_null_default":         nil,
	"map_null_direction":       nil,
	"map_null_unfit":           {""},
	"map_one_by_one":           nil,
	"map_other_link":           {"", "state.entity.", ""},
	"map_our_code":             {"", "", "-"},
	"map_path_names":           nil,
	"map_path_number":          nil,
	"map_reference_unsent":     {""},
	"map_required_unset":       {"", ""},
	"map_rule_sides":           nil,
	"map_said_twice":           {""},
	"map_say_each":             nil,
	"map_say_format":           nil,
	"map_say_how":              nil,
	"map_say_layout":           nil,
	"map_say_link":             {"", "state.entity.", "-"},
	"map_say_text":             nil,
	"map_schema_unfit":         {"", ""},
	"map_second":               nil,
	"map_set_there":            {""},
	"map_their_code":           {"", ""},
	"map_time_fits":            nil,
	"map_too_deep":             {""},
	"map_twice":                {"", ""},
	"map_two_of_ours":          {""},
	"map_two_rows":             {""},
	"map_unit":                 nil,
	"map_unit_decimal":         {"", "-", "", "-"},
	"map_unknown_key":          {"", ""},
	"map_values_lack":          {"", ""},
	"map_values_ours":          nil,
	"map_values_theirs":        nil,
	"map_want_code":            nil,
	"map_want_code_value":      {"-"},
	"map_want_keys":            {"-"},
	"map_want_one_of":          {""},
	"map_want_quotes":          {"-"},
	"map_want_row":             nil,
	"map_want_rules":           nil,
	"map_want_table":           {"-"},
	"map_want_text":            nil,
	"map_want_texts":           nil,
	"map_want_value":           {"-"},
	"map_zone":                 nil,
	"map_zone_belongs":         nil,
	"map_zone_needless":        nil,
	"mapping_unfit":            {"state.entity."},
	"may_be_left_there":        nil,
	"may_be_there":             nil,
	"more_lines":               nil,
	"no_answer":                nil,
	"no_folders":               nil,
	"no_host":                  {""},
	"no_id":                    nil,
	"no_mapping":               {"state.entity.", ""},
	"no_overwriting":           nil,
	"no_range":                 {"", ""},
	"no_reason":                nil,
	"no_request":               {""},
	"no_sftp":                  nil,
	"not_by_id":                nil,
	"not_carried":              {"", ""},
	"not_from_here":            nil,
	"not_linked":               {"state.entity.", ""},
	"not_linked_all":           {"state.entity.", "", ""},
	"not_pulled":               {"", ""},
	"not_read_there":           {""},
	"note_damaged":             {""},
	"other_file":               {""},
	"other_host_key":           nil,
	"other_name":               nil,
	"outcome_unknown":          nil,
	"price_missing":            nil,
	"read_again":               {"", "act."},
	"reference_taken":          nil,
	"refers_to_no_id":          {"state.entity."},
	"refers_unlinked":          {"state.entity."},
	"refers_unpushed":          {"state.entity."},
	"refused_auth":             {""},
	"refused_business":         {""},
	"refused_config":           {""},
	"refused_data":             {""},
	"run_began":                nil,
	"run_goes_on":              nil,
	"run_is":                   {"state.run."},
	"run_taken_over":           nil,
	"same_record":              {""},
	"sent_already":             nil,
	"session_closed":           nil,
	"token_unreadable":         nil,
	"topic_anew":               {""},
	"topic_gone":               {""},
	"topic_later":              {"", "", "", ""},
	"topic_not_made":           {""},
	"topic_shorter":            {"", "", "", ""},
	"unknown_file":             nil,
	"unmapped":                 nil,
	"unreachable":              {""},
	"unreadable_answer":        nil,
	"untrusted":                nil,
	"waits_for":                {"state.entity."},
	"would_fail":               {"", ""},
	"wrong_shape":              nil,
}

// wordier are the beginnings of codes of which the stored text says more than the words, but in English: of broken rules, of a
// mapping's faults, and of what manifests of connectors say.
var wordier = []string{"broken", "map_", "refused_", "wrong_shape", "not_from_here", "read_again"} //nolint:gochecknoglobals // a constant list

// told says a saying in the reader's words; where there are none, the text that was stored.
func told(lang string, words catalogue, s *schema.Saying, stored string) string {
	if s == nil || lang == "en" && slices.ContainsFunc(wordier, func(begins string) bool { return strings.HasPrefix(s.Code, begins) }) {
		return stored
	}
	return worded(lang, words, s, "said."+s.Code, stored)
}

// remedied says what to do about a saying.
func remedied(lang string, words catalogue, s *schema.Saying, stored string) string {
	if s == nil || lang == "en" && strings.HasPrefix(s.Code, "refused_") {
		return stored
	}
	return worded(lang, words, s, "remedy."+s.Code, stored)
}

func worded(lang string, words catalogue, s *schema.Saying, key, stored string) string {
	kinds, known := sayings[s.Code]
	text, there := words[key]
	if !known || !there || len(kinds) != len(s.Args) {
		return stored
	}
	var args []any
	for i, arg := range s.Args {
		word, ok := words[kinds[i]+arg]
		switch {
		case kinds[i] == "-":
		case kinds[i] == "", kinds[i] == "said." && !ok: // a reason may be another's
			args = append(args, arg)
		case !ok:
			return stored
		default:
			args = append(args, inSentence(lang, word))
		}
	}
	if !strings.Contains(text, "%") {
		return text
	}
	return words.text(key, args...)
}

// brokenRule says which rule is broken, in other languages than the store's by the rule's name.
func brokenRule(lang string, words catalogue, broken schema.Violation) string {
	if broken.Said != nil {
		return told(lang, words, broken.Said, broken.Message)
	}
	if said, ok := words["rule."+broken.Rule]; ok && lang != "en" {
		return said
	}
	return broken.Message
}

// sayingOf is what a letter says: older ones have their violations alone.
func sayingOf(said *schema.Saying, violations schema.Violations) *schema.Saying {
	if said != nil && (said.Code != "unmapped" || len(violations) == 0) {
		return said
	}
	return violations.Saying()
}

// telling are the functions by which templates say what was stored.
func telling(lang string, words catalogue) map[string]any {
	letter := func(said *schema.Saying, violations schema.Violations, stored string) string {
		return told(lang, words, sayingOf(said, violations), stored)
	}
	return map[string]any{
		// code is another system's, beside a message that does not name it.
		"code": func(code, message string) string {
			if code == "" || strings.Contains(message, code) {
				return ""
			}
			return " (" + code + ")"
		},
		"rule":    func(broken schema.Violation) string { return brokenRule(lang, words, broken) },
		"letter":  func(d job.DeadLetter) string { return letter(d.Said, d.Violations, d.Message) },
		"letters": func(c job.LetterCause) string { return letter(c.Said, c.Violations, c.Message) },
		"line":    func(l job.Line) string { return told(lang, words, l.Said, l.Message) },
		"failure": func(f job.Failure) string { return told(lang, words, f.Said, f.Message) },
		"cause":   func(c link.Cause) string { return letter(c.Said, c.Violations, c.Message) },
		"browser": func(agent string) string { return browserName(words, agent) },
		"told":    func(said *schema.Saying, stored string) string { return told(lang, words, said, stored) },
		"help": func(of any) string {
			switch of := of.(type) {
			case *connector.Error:
				return remedied(lang, words, of.Said, of.Remedy)
			case connection.Breaker:
				return remedied(lang, words, of.Said, of.Remedy)
			case *job.Failure:
				return remedied(lang, words, of.Said, of.Remedy)
			case *link.Cause:
				return remedied(lang, words, of.Said, of.Remedy)
			}
			return ""
		},
	}
}
