package console

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/connectors"
	"crmhub/core/access"
	"crmhub/core/alert"
	"crmhub/core/allocation"
	"crmhub/core/audit"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/drift"
	"crmhub/core/duplicate"
	"crmhub/core/flow"
	"crmhub/core/inbox"
	"crmhub/core/job"
	"crmhub/core/journey"
	"crmhub/core/link"
	"crmhub/core/match"
	"crmhub/core/matching"
	"crmhub/core/notify"
	"crmhub/core/postgres"
	"crmhub/core/privacy"
	"crmhub/core/reconcile"
	"crmhub/core/report"
	"crmhub/core/revision"
	"crmhub/core/sheet"
	"crmhub/core/transfer"
	"crmhub/core/upkeep"
)

func words(t *testing.T, lang string) catalogue {
	t.Helper()
	c, err := loadCatalogue(lang)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNothingIsSaidTwice(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"en", "zh-CN"} {
		content, err := os.ReadFile(filepath.Join("locale", lang+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if keys := strings.Count(string(content), "\n \""); keys != len(words(t, lang)) {
			t.Errorf("%s has %d lines of %d keys", lang, keys, len(words(t, lang)))
		}
	}
}

func TestLanguagesHaveTheSameWords(t *testing.T) {
	t.Parallel()
	verb := regexp.MustCompile(`%[a-z]`)
	en, zh := words(t, "en"), words(t, "zh-CN")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(en)), slices.Sorted(maps.Keys(zh))); diff != "" {
		t.Errorf("keys (-en +zh-CN):\n%s", diff)
	}
	for key := range en {
		if en[key] == "" || zh[key] == "" {
			t.Errorf("%s is empty", key)
		}
		if diff := cmp.Diff(verb.FindAllString(en[key], -1), verb.FindAllString(zh[key], -1)); diff != "" {
			t.Errorf("%s takes other arguments:\n%s", key, diff)
		}
	}
}

func TestEveryWordIsThereAndUsed(t *testing.T) {
	t.Parallel()
	literal := regexp.MustCompile(`"([a-z_]+(?:\.[a-z_]+)*)"`)
	said := regexp.MustCompile(`[({]t "([a-z_.]+)"`)
	en := words(t, "en")
	mentioned := map[string]bool{}
	for _, files := range []struct {
		fsys fs.FS
		glob string
	}{{templates, "template/*.html"}, {os.DirFS("."), "*.go"}} {
		names, err := fs.Glob(files.fsys, files.glob)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			b, err := fs.ReadFile(files.fsys, name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range literal.FindAllSubmatch(b, -1) {
				mentioned[string(m[1])] = true
			}
			for _, m := range said.FindAllSubmatch(b, -1) {
				if en[string(m[1])] == "" {
					t.Errorf("%s: no words for %s", name, m[1])
				}
			}
		}
	}
	for n := range notices {
		mentioned["notice."+n] = true
	}
	for _, page := range []string{"error.closed", "error.forbidden", "error.internal", "error.invalid", "error.not_found", "error.other_site", "error.stale", "error.too_large", "error.unavailable"} {
		mentioned[page+".title"], mentioned[page+".text"] = true, true
	}
	for key := range states() {
		mentioned[key] = true
		if en[key] == "" {
			t.Errorf("no words for %s", key)
		}
	}
	for _, k := range crm.Kinds() {
		describing(t, en, mentioned, string(k), string(k), crm.Fields(k))
	}
	for key := range shippedSettings(t, en) {
		mentioned[key] = true
	}
	for key := range en {
		if !mentioned[key] {
			t.Errorf("nobody says %s", key)
		}
	}
}

// shippedSettings are the keys of what the configuration schemas of shipped connectors say, all of which there must be words for.
func shippedSettings(t *testing.T, en catalogue) map[string]bool {
	t.Helper()
	set, err := connectors.Load("")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for name, c := range set.ByName() {
		var s configSchema
		if err := json.Unmarshal(c.Config, &s); err != nil {
			t.Fatal(err)
		}
		shippedIn(t, en, keys, name, s)
		if key := "connector.title." + name; en[key] == c.Title { // others are names, which are the same in each language
			keys[key] = true
		}
	}
	return keys
}

func shippedIn(t *testing.T, en catalogue, keys map[string]bool, connector string, s configSchema) {
	t.Helper()
	for name, p := range s.Properties {
		for prefix, said := range map[string]string{"setting": p.label(name), "setting_hint": p.Description} {
			key, general := prefix+"."+connector+"."+name, prefix+"."+name
			switch {
			case said == "":
			case en[key] == said:
				keys[key] = true
			case en[general] == said:
				keys[general] = true
			default:
				t.Errorf("%s: no words for %q (%s or %s)", connector, said, key, general)
			}
		}
		shippedIn(t, en, keys, connector, p)
	}
}

// describing marks the words for fields and their values, of which the nearest counts, and misses those that are not there.
func describing(t *testing.T, words catalogue, mentioned map[string]bool, kind, at string, fields []crm.Field) {
	t.Helper()
	first := func(keys ...string) {
		for _, key := range keys {
			if words[key] != "" {
				mentioned[key] = true
				return
			}
		}
		t.Errorf("no words for any of %v", keys)
	}
	for _, f := range fields {
		first("field."+kind+"."+f.Name, "field."+f.Name)
		for _, value := range f.Enum {
			first("choice."+at+"."+f.Name+"."+value, "choice."+kind+"."+f.Name+"."+value, "choice."+f.Name+"."+value)
		}
		describing(t, words, mentioned, kind, at+"."+f.Name, f.Fields)
	}
}

// What the hub says by a code, it says in words: all that is said anywhere in the program, and nothing else.
func TestEverySayingHasWords(t *testing.T) {
	t.Parallel()
	said := map[string]bool{}
	call := regexp.MustCompile(`\b(?:Say|because)\("([a-z_]+)"|[fF]ault\([^\n]*?"(map_[a-z_]+)", "|\.tell\([^\n]*?"(field_[a-z_]+)", "`)
	err := fs.WalkDir(os.DirFS("../.."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile("../../" + path)
		for _, m := range call.FindAllStringSubmatch(string(b), -1) {
			code := m[1] + m[2] + m[3]
			said[code] = true
			if _, known := sayings[code]; !known {
				t.Errorf("%s says %s, which has no words", path, code)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for code, args := range sayings {
		if !said[code] {
			t.Errorf("nobody says %s", code)
		}
		args = slices.DeleteFunc(slices.Clone(args), func(kind string) bool { return kind == "-" })
		for _, lang := range languages {
			if n := strings.Count(words(t, lang)["said."+code], "%"); n != len(args) && !strings.HasPrefix(code, "broken") {
				t.Errorf("%s: %s takes %d arguments, not %d", lang, code, n, len(args))
			}
		}
	}
}

// What the audit trail records anywhere in the program, it says in words.
func TestEveryAuditedActionHasWords(t *testing.T) {
	t.Parallel()
	act := regexp.MustCompile(`(?:audit\.Act\{\s*Action: |\brecord\(ctx, tx, (?:\w+, )?)"([a-z_]+)"`)
	about := regexp.MustCompile(`audit\.Act\{\s*Action: [^,]+, Entity: "([a-z_]+)"`)
	n := 0
	err := fs.WalkDir(os.DirFS(".."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile("../" + path)
		for _, m := range about.FindAllStringSubmatch(string(b), -1) {
			if !slices.Contains(auditedThings(), m[1]) {
				t.Errorf("%s records something of a %s, which has no words", path, m[1])
			}
		}
		for _, m := range act.FindAllStringSubmatch(string(b), -1) {
			if n++; m[1] != "asked_to_" && !slices.Contains(auditedActions(), m[1]) {
				t.Errorf("%s records %s, which has no words", path, m[1])
			}
		}
		return err
	})
	if err != nil || n < 20 {
		t.Errorf("%d actions are recorded: %v", n, err)
	}
}

// states are the keys of every state that a page may have to name.
func states() map[string]bool {
	all := map[string]bool{}
	add := func(kind string, values ...string) {
		for _, v := range values {
			all["state."+kind+"."+v] = true
		}
	}
	for _, preset := range []string{"admin", "auditor", "finance", "integrator", "marketing", "sales", "sales_manager", "service"} {
		all["preset."+preset] = true
	}
	for code := range sayings {
		all["said."+code] = true
	}
	for _, form := range []string{"choice", "country", "currency", "date", "email", "instant", "integer", "number", "phone", "reference", "uscc", "website"} {
		all["must."+form] = true
	}
	for _, code := range []string{
		"fewer_than_before", "fewer_than_linked", "may_be_there", "refers_unpushed",
		"answered_auth", "answered_config", "bad_address", "bad_certificate", "bad_cursor", "cannot_open", "cannot_pull", "certificate_invalid", "certificate_refused", "config_wrong", "credentials_refused", "cursor_stands", "duplicates_there", "file_waits", "folder_closed", "foreign_file", "gone_there", "hung_up", "kafka_credentials", "kafka_invalid", "kafka_no_topic", "kafka_rights", "kafka_too_large", "kafka_version", "lacks_there", "ledger_has_another", "ledger_lacks", "list_moves", "login_lacks", "may_be_left_there", "no_folders", "no_host", "no_mapping", "no_overwriting", "no_range", "no_reason", "no_request", "no_tls", "not_pulled", "note_damaged", "other_file", "other_host_key", "other_name", "reference_taken", "refused_auth", "refused_business", "refused_config", "refused_data", "sent_already", "topic_anew", "topic_gone", "topic_later", "topic_not_made", "topic_shorter", "unknown_file", "unreachable", "unreadable_answer", "untrusted", "wrong_shape",
	} {
		all["remedy."+code] = true
	}
	all["delivery.alert_opened"], all["delivery.alert_resolved"] = true, true
	for _, action := range auditedActions() {
		all["act."+action] = true
	}
	for _, word := range []string{ // of journeys and of faults
		"create", "update", "delete", "find", "get", "read", "unchanged", "failed", "waiting", "parked", "unknown", "retry",
		string(connector.ClassTransient), string(connector.ClassQuota), string(connector.ClassAuth), string(connector.ClassConfig),
		string(connector.ClassData), string(connector.ClassConflict), string(connector.ClassBusiness), "mapping", "schema", "link", "matching", "internal",
	} {
		all["act."+word] = true
	}
	for _, name := range []string{"lag_minutes", "dead_letters", "conflicts"} {
		all["alert.setting."+name] = true
	}
	for _, s := range duplicate.Statuses() {
		add("duplicate", string(s))
	}
	add("active", "active", "paused")
	for _, state := range []connection.BreakerState{connection.Open, connection.Probing, connection.Stopped} {
		add("breaker", string(state))
		all["breaker."+string(state)] = true
	}
	add("flow", string(flow.Flowing), string(flow.Overdue), string(flow.Failing), string(flow.Held), string(flow.Paused))
	add("overlap", string(job.Skip), string(job.Queue), string(job.CancelOld))
	add("misfire", string(job.MisfireNone), string(job.MisfireOnce), string(job.MisfireAll))
	add("purpose", string(job.Backfill), string(job.Replaying))
	for _, status := range inbox.Statuses() {
		add("inbox", string(status))
	}
	add("seller", string(inbox.Ours), string(inbox.Other), string(inbox.Unknown))
	add("same", "code", "uscc", "tax_id", "phone", "email", "domain", "name", "similar_name", "city")
	for _, certainty := range allocation.Certainties() {
		add("certainty", string(certainty))
	}
	add("why", string(allocation.Number), string(allocation.Reference), string(allocation.Amount), string(allocation.Sum), string(allocation.Near), string(allocation.Customers))
	add("verdict", string(job.Accepted), string(job.Discarded))
	for d := range 7 {
		all["cron.day."+strconv.Itoa(d)] = true
	}
	for m := range 12 {
		all["cron.month."+strconv.Itoa(m+1)] = true
	}
	add("dry", "create", "update", "delete", "wait", "fail")
	add("level", string(job.Info), string(job.Warn), string(job.Error))

	for _, e := range sheet.Encodings() {
		all["import.encoding."+e] = true
	}
	for _, mark := range append(sheet.DecimalMarks(), "") {
		all["import.decimal."+mark] = true
	}
	for _, d := range sheet.Delimiters() {
		all["import.delimiter."+delimiterName(d)] = true
	}
	for _, m := range []transfer.Mode{transfer.Both, transfer.Create, transfer.Update} {
		all["import.mode."+string(m)] = true
	}
	for _, s := range []transfer.Status{
		transfer.Uploading, transfer.Uploaded, transfer.Previewing, transfer.Previewed, transfer.Running, transfer.Done, transfer.Cancelled, transfer.Failed,
		transfer.Undoing, transfer.Undone,
	} {
		add("import", string(s))
	}
	add("import_result", "create", "update", "unchanged", "duplicate", "error")
	add("format", string(sheet.CSV), string(sheet.XLSX))

	for _, m := range report.Measures() {
		all["target.measure."+string(m)] = true
	}
	add("user", "active", "disabled")
	for _, s := range []upkeep.HandOverStatus{upkeep.Running, upkeep.Done, upkeep.Cancelled, upkeep.Failed} {
		add("hand_over", string(s))
	}
	for _, o := range []access.Outcome{access.SignedIn, access.WrongPassword, access.WrongCode, access.UnknownLogin, access.UserDisabled, access.Locked} {
		add("signin", string(o))
	}
	for _, s := range postgres.Scopes() {
		all["scope."+string(s)] = true
	}
	for _, a := range matrixActions()[1:] {
		all["action."+string(a)] = true
	}
	for _, a := range []access.FieldAccess{access.FieldEdit, access.FieldRead, access.FieldMasked, access.FieldHidden} {
		all["field_access."+string(a)] = true
	}
	for _, r := range (&access.Store{}).Resources() {
		all["resource."+string(r)] = true
	}
	for _, l := range languages {
		all["language."+l] = true
	}
	for _, thing := range auditedThings() {
		all["audit.thing."+thing] = true
	}
	for _, k := range []audit.Kind{audit.Changed, audit.Missing, audit.Inserted, audit.Truncated, audit.Rewritten, audit.Unsigned} {
		all["audit.fault."+string(k)] = true
	}
	all["field.attachments"] = true

	add("cause", string(job.BySchedule), string(job.ByHand), string(job.ByMessage))

	for _, k := range alert.Kinds {
		all["alert.kind."+string(k)] = true
	}
	for _, k := range drift.Kinds {
		all["drift.kind."+string(k)] = true
	}
	add("alert", "open", "resolved")
	add("subscription", string(notify.Active), string(notify.Paused), string(notify.Disabled))
	add("delivery", append(textsOf(notify.DeliveryStatuses), "retrying")...)
	add("direction", string(job.Pull), string(job.Push))
	for _, k := range []journey.Kind{
		journey.Change, journey.Published, journey.Linked, journey.Pushed, journey.Pulled, journey.Conflict, journey.Difference, journey.DeadLetter, journey.Act,
	} {
		add("step", string(k))
	}
	add("direction", textsOf(job.Kinds())...)
	add("does", textsOf(job.Kinds())...)
	add("class", textsOf(link.Classes())...)
	add("proposal", textsOf(link.ProposalStates())...)
	add("matching", textsOf(matching.Statuses())...)
	add("conflict", textsOf(link.ConflictStatuses())...)
	add("verdict", textsOf(reconcile.Verdicts())...)
	add("difference", textsOf(reconcile.States())...)
	add("difference_kind", textsOf(reconcile.Kinds())...)
	add("erased", privacy.Counted()...)
	add("telling", textsOf(privacy.Tellings())...)
	add("mend", textsOf(reconcile.Actions())...)
	for _, status := range []revision.Status{revision.Draft, revision.Tested, revision.Live, revision.Retired, revision.RolledBack} {
		add("mapping", string(status))
	}
	for _, k := range crm.Kinds() {
		add("entity", string(k))
		all["kinds."+string(k)], all["hint."+string(k)] = true, true
	}
	for _, g := range groups() {
		all["group."+g] = true
	}
	for _, g := range reportGroups() {
		all[g.key] = true
	}
	for _, r := range report.All() {
		all["report.question."+r.Name] = true
		for _, p := range r.Parameters {
			all["report.parameter."+p.Name] = true
			for _, choice := range p.Choices {
				all["report.choice."+p.Name+"."+choice] = true
			}
		}
	}
	for _, s := range upkeep.Sources() {
		all["follow_up.why."+string(s.Why)] = true
	}
	for _, code := range []upkeep.Code{upkeep.NotPooled, upkeep.Taken, upkeep.MaxOwned, upkeep.ClaimsPerDay, upkeep.Cooldown, upkeep.NotFound, upkeep.OutOfScope, upkeep.Pooled} {
		all["pool.refusal."+string(code)] = true
	}
	for group, fields := range sellerFields(&access.Seller{}) {
		all[group] = true
		for _, f := range fields {
			all["seller."+f.name] = true
			if f.hinted {
				all["seller."+f.name+"_hint"] = true
			}
		}
	}
	for _, b := range upkeep.Bases() {
		all["pool.basis."+string(b)], all["pool.rule.when."+string(b)], all["pool.since."+string(b)] = true, true, true
	}
	for _, k := range upkeep.Keeps() {
		all["pool.keep."+string(k)] = true
	}
	for _, w := range upkeep.Whats() {
		all["pool.event."+string(w)] = true
	}
	for _, kind := range []string{match.USCC, match.TaxID, match.Phone, match.Email, match.Domain, match.Name, match.FullName, match.Person, match.City, match.Mapped, "similar_name"} {
		all["reason."+kind] = true
	}
	for _, action := range []string{"created", "updated", "deleted", "restored", "merged", "unmerged", "erased"} {
		all["record.action."+action] = true
	}
	for _, rule := range []string{
		"required", "unique", "format", "enum", "exists", "type", "minimum", "maximum", "scale", "permission", "transition", "immutable",
		"overlap", "sum", "check", "const", "pattern", "opt_out", "restrict",
		"password", "common", "login", "minLength", "administrator", "scope", "dependentRequired",
		"field", "encoding", "same", "file", "group", "refused", "length", "list", "maxItems",
		"cron", "time_zone", "range", "cycle", "kind", "erased", "stream",
		"maxLength", "minItems", "uniqueItems", "multipleOf", "exclusiveMinimum", "not", "false", "additionalProperties", "json",
		"values", "expression", "when", "link", "tree", "active", "allocated", "consistent", "width", "linked",
		"billed", "incomplete", "deleted", "merged", "customer", "currency", "sign", "status",
	} {
		all["rule."+rule] = true
	}
	for _, s := range []link.State{link.Pending, link.Sending, link.Unknown, link.Linked, link.Parked, link.Waiting, link.Failed, link.Unlinked} {
		add("link", string(s))
	}
	for _, s := range []job.RunStatus{"stuck", job.Queued, job.Running, job.Held, job.Succeeded, job.Suspect, job.Failed, job.Cancelled} {
		add("run", string(s))
	}
	for _, s := range []job.Stage{job.StageSchema, job.StageMapping, job.StageMerge, job.StageStore, job.StageRemote} {
		add("stage", string(s))
	}
	for _, s := range []job.LetterStatus{job.Open, job.Resolved, job.Dismissed} {
		add("dead_letter", string(s))
	}
	return all
}
