package connection

import (
	"context"
	"maps"
	"sync"

	"crmhub/core/secret"
)

// Try is [Store.Check] of a connection that is not stored as it stands: one that was added or updated in a transaction
// that did not commit, with the given configuration. A secret of that configuration lies nowhere yet, so where the remote
// changes it with use (a refresh token) the next one would be lost: Try returns the configuration with it. If renewed is
// true, what was given is worthless by now and the returned must be stored, even after an error. A stored secret that the
// configuration leaves as it is, is renewed where it is stored, in DB.
func (s *Store) Try(ctx context.Context, c Connection, config map[string]any) (kept map[string]any, renewed bool, err error) {
	kept = maps.Clone(config)
	var one sync.Mutex
	session, err := s.open(c, func(ctx context.Context, name string, renew renewal) error {
		one.Lock()
		defer one.Unlock()
		current, given := kept[name].(string)
		if !given {
			return s.renew(ctx, c, name, renew)
		}
		next, err := renew(secret.New(current))
		if err != nil || next.Reveal() == current {
			return err
		}
		kept[name], renewed = next.Reveal(), true
		return nil
	})
	err = check(ctx, session, err)
	return kept, renewed, err
}
