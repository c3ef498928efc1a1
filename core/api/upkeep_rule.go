package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/schema"
	"crmhub/core/upkeep"
)

type poolSettingsPatch struct {
	TimeZone    *string `json:"time_zone,omitempty" doc:"IANA name of the zone in which the organization's days begin and end, in reports too."`
	RecycleHour *int    `json:"recycle_hour,omitempty" minimum:"0" maximum:"23" doc:"At which hour of each day there the rules are applied."`
}

func (s *server) showPoolSettings() operation {
	return operation{
		id: "show-pool-settings", needs: may(access.Pool, access.Read), tag: "upkeep", summary: "Show how the pool works",
		status: http.StatusOK, result: jsonBody(s.document, settingsExample()),
		serve: read(s, s.upkeep.Settings),
	}
}

func (s *server) patchPoolSettings() operation {
	zone := "Europe/Berlin"
	return operation{
		id: "update-pool-settings", needs: may(access.Pool, access.Update), tag: "upkeep", summary: "Change how the pool works",
		description: "A JSON merge patch (RFC 7396). Settings have no versions: the last change wins.",
		body:        mergePatchBody(s.document, poolSettingsPatch{TimeZone: &zone}),
		status:      http.StatusOK, result: jsonBody(s.document, settingsExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			patch, err := decode[poolSettingsPatch](c)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				settings, err := s.upkeep.Settings(ctx, tx)
				if err != nil {
					return answer{}, err
				}
				if patch.TimeZone != nil {
					settings.TimeZone = *patch.TimeZone
				}
				if patch.RecycleHour != nil {
					settings.RecycleHour = *patch.RecycleHour
				}
				if settings, err = s.upkeep.UpdateSettings(ctx, tx, settings); err != nil {
					return answer{}, err
				}
				return respond(http.StatusOK, settings)
			})
		},
	}
}

func (s *server) recycleNow() operation {
	return operation{
		id: "recycle-customers", needs: may(access.Pool, access.Run), tag: "upkeep", summary: "Apply the recycle rules now",
		description: "In the background, and once more at their hour. The log of the pool says what they did.",
		status:      http.StatusAccepted, result: jsonBody(s.document, settingsExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				settings, err := s.upkeep.RecycleNow(ctx, tx)
				if err != nil {
					return answer{}, err
				}
				return respond(http.StatusAccepted, settings)
			})
		},
	}
}

func (s *server) listRecycleRules() operation {
	return operation{
		id: "list-recycle-rules", needs: may(access.Pool, access.Read), tag: "upkeep", summary: "List the recycle rules", description: "The oldest first.",
		status: http.StatusOK, result: jsonBody(s.document, list[upkeep.RecycleRule]{Items: []upkeep.RecycleRule{ruleExample()}}),
		serve: readAll(s, s.upkeep.Rules),
	}
}

func (s *server) addRecycleRule() operation {
	return operation{
		id: "add-recycle-rule", needs: may(access.Pool, access.Create), tag: "upkeep", summary: "Add a recycle rule",
		description: "It counts when the rules are next applied, at their hour. Look at /pool/due before: a rule may be added inactive, and made active later.",
		body:        jsonBody(s.document, ruleExample().Terms),
		status:      http.StatusCreated, result: jsonBody(s.document, ruleExample()), located: true, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[upkeep.Terms](c)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				added, err := s.upkeep.AddRule(ctx, tx, in)
				if err != nil {
					return answer{}, err
				}
				return created("/recycle-rules", added.ID, added)
			})
		},
	}
}

func (s *server) getRecycleRule() operation {
	return operation{
		id: "get-recycle-rule", needs: may(access.Pool, access.Read), tag: "upkeep", summary: "Get a recycle rule",
		status: http.StatusOK, result: jsonBody(s.document, ruleExample()),
		serve: onID(s, s.upkeep.Rule),
	}
}

type recycleRulePatch struct {
	Name         *string   `json:"name,omitempty" minLength:"1" maxLength:"300"`
	IsActive     *bool     `json:"is_active,omitempty"`
	Basis        *string   `json:"basis,omitempty" enum:"contact,first_contact,deal,contract"`
	Days         *int      `json:"days,omitempty" minimum:"1" maximum:"3650"`
	WarnDays     *int      `json:"warn_days,omitempty" minimum:"0" maximum:"3650"`
	Lifecycles   *[]string `json:"lifecycles,omitempty"`
	Levels       *[]string `json:"levels,omitempty"`
	Tags         *[]string `json:"tags,omitempty"`
	DepartmentID *string   `json:"department_id,omitempty" format:"uuid" nullable:"true"`
	Keeps        *[]string `json:"keeps,omitempty"`
	KeepTags     *[]string `json:"keep_tags,omitempty"`
}

func (s *server) patchRecycleRule() operation {
	active := true
	return operation{
		id: "update-recycle-rule", needs: may(access.Pool, access.Update), tag: "upkeep", summary: "Change a recycle rule",
		description: "A JSON merge patch (RFC 7396): a list is replaced as a whole. Rules have no versions: the last change wins.",
		body:        mergePatchBody(s.document, recycleRulePatch{IsActive: &active}),
		status:      http.StatusOK, result: jsonBody(s.document, ruleExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			patch, err := c.object()
			if err != nil {
				return answer{}, err
			}
			return writeOnID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (r upkeep.RecycleRule, err error) {
				old, err := s.upkeep.Rule(ctx, tx, id)
				if err != nil {
					return r, err
				}
				terms, err := patched(old.Terms, patch)
				if err != nil {
					return r, err
				}
				return s.upkeep.UpdateRule(ctx, tx, id, terms)
			})(ctx, c)
		},
	}
}

func (s *server) deleteRecycleRule() operation {
	return s.removal("delete-recycle-rule", "Take a recycle rule away", func(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
		return s.upkeep.RemoveRule(ctx, tx, id)
	})
}

// removal is the operation that takes a rule or a limit of the pool away.
func (s *server) removal(id, summary string, remove func(ctx context.Context, tx pgx.Tx, id uuid.UUID) error) operation {
	return operation{
		id: id, needs: may(access.Pool, access.Delete), tag: "upkeep", summary: summary, status: http.StatusNoContent, keyed: true,
		serve: s.deleteOnID(remove),
	}
}

// patched applies a merge patch to a value that is written as JSON.
func patched[T any](old T, patch map[string]any) (T, error) {
	b, err := json.Marshal(old)
	if err != nil {
		return old, fmt.Errorf("write a %T: %w", old, err)
	}
	doc, err := schema.DecodeJSON(b)
	if err != nil {
		return old, fmt.Errorf("write a %T: %w", old, err)
	}
	merged, _ := schema.MergePatch(doc, patch).(map[string]any)
	return as[T](merged)
}

type poolLimitInput struct {
	UserID string `json:"user_id,omitempty" format:"uuid" doc:"Whose it is."`
	Role   string `json:"role,omitempty" doc:"The code of the role whose it is. Without one and without a user it is everybody's."`
	upkeep.Quota
}

func (s *server) listPoolLimits() operation {
	return operation{
		id: "list-pool-limits", needs: may(access.Pool, access.Read), tag: "upkeep", summary: "List how much of the pool one may take",
		description: "Everybody's limit, those of roles, those of users. For each number a user's own counts before those of his roles, of which the most generous does, and these before everybody's.",
		status:      http.StatusOK, result: jsonBody(s.document, list[upkeep.PoolLimit]{Items: []upkeep.PoolLimit{limitExample()}}),
		serve: readAll(s, s.upkeep.Limits),
	}
}

func (s *server) addPoolLimit() operation {
	example := limitExample()
	return operation{
		id: "add-pool-limit", needs: may(access.Pool, access.Create), tag: "upkeep", summary: "Limit how much of the pool one may take",
		description: "One a user, one a role, one for everybody.",
		body:        jsonBody(s.document, poolLimitInput{Role: example.Role, Quota: example.Quota}),
		status:      http.StatusCreated, result: jsonBody(s.document, example), located: true, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[poolLimitInput](c)
			if err != nil {
				return answer{}, err
			}
			user, err := parseOptionalID("/user_id", in.UserID)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				added, err := s.upkeep.AddLimit(ctx, tx, user, in.Role, in.Quota)
				if err != nil {
					return answer{}, err
				}
				return created("/pool-limits", added.ID, added)
			})
		},
	}
}

func (s *server) getPoolLimit() operation {
	return operation{
		id: "get-pool-limit", needs: may(access.Pool, access.Read), tag: "upkeep", summary: "Get a limit of the pool",
		status: http.StatusOK, result: jsonBody(s.document, limitExample()),
		serve: onID(s, s.upkeep.Limit),
	}
}

type quotaPatch struct {
	MaxOwned     *int `json:"max_owned,omitempty" minimum:"0" maximum:"1000000" nullable:"true"`
	ClaimsPerDay *int `json:"claims_per_day,omitempty" minimum:"0" maximum:"1000000" nullable:"true"`
	CooldownDays *int `json:"cooldown_days,omitempty" minimum:"0" maximum:"3650" nullable:"true"`
}

func (s *server) patchPoolLimit() operation {
	most := 250
	return operation{
		id: "update-pool-limit", needs: may(access.Pool, access.Update), tag: "upkeep", summary: "Change a limit of the pool",
		description: "A JSON merge patch (RFC 7396); null lets a number say nothing. Whose it is never changes, and limits have no versions: the last change wins.",
		body:        mergePatchBody(s.document, quotaPatch{MaxOwned: &most}),
		status:      http.StatusOK, result: jsonBody(s.document, limitExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			patch, err := c.object()
			if err != nil {
				return answer{}, err
			}
			return writeOnID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (l upkeep.PoolLimit, err error) {
				old, err := s.upkeep.Limit(ctx, tx, id)
				if err != nil {
					return l, err
				}
				quota, err := patched(old.Quota, patch)
				if err != nil {
					return l, err
				}
				return s.upkeep.UpdateLimit(ctx, tx, id, quota)
			})(ctx, c)
		},
	}
}

func (s *server) deletePoolLimit() operation {
	return s.removal("delete-pool-limit", "Take a limit of the pool away", func(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
		return s.upkeep.RemoveLimit(ctx, tx, id)
	})
}

func settingsExample() upkeep.PoolSettings {
	next := time.Date(2026, 9, 2, 0, 0, 0, 0, time.UTC)
	return upkeep.PoolSettings{TimeZone: "Europe/Berlin", RecycleHour: 2, NextRecycleAt: &next}
}

func ruleExample() upkeep.RecycleRule {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return upkeep.RecycleRule{
		ID: uuid.MustParse(exampleID), Terms: upkeep.Terms{
			Name: "No contact for 60 days", IsActive: true, Basis: upkeep.SinceContact, Days: 60, WarnDays: 7, Lifecycles: []string{"lead", "potential"},
			Keeps: []upkeep.Keep{upkeep.KeepOpenOpportunity, upkeep.KeepPlannedContact},
		},
		CreatedAt: at, CreatedBy: exampleActor, UpdatedAt: at, UpdatedBy: exampleActor,
	}
}

func limitExample() upkeep.PoolLimit {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	most, day, cool := 200, 20, 30
	return upkeep.PoolLimit{
		ID: uuid.MustParse(exampleID), Role: "sales", Quota: upkeep.Quota{MaxOwned: &most, ClaimsPerDay: &day, CooldownDays: &cool},
		CreatedAt: at, CreatedBy: exampleActor, UpdatedAt: at, UpdatedBy: exampleActor,
	}
}
