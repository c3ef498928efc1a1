package transfer

import "context"

// Step claims the next task for a worker and does it; false if there is none.
func (r *Runner) Step(ctx context.Context, worker int32) (bool, error) {
	t, err := r.claim(ctx, worker)
	if err != nil || t == nil {
		return false, err
	}
	r.execute(ctx, t)
	return true, nil
}
