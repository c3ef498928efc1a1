package push

import "time"

// Step is a point where a test lets the process die.
type Step = step

// Steps are all points, in the order in which a batch passes them.
func Steps() []Step {
	return []Step{stepMapped, stepAnnounced, stepLookedUp, stepSent, stepAcknowledged}
}

// SetStep calls fn at each point. An error ends the pusher there, as if the process had died.
func (p *Pusher) SetStep(fn func(Step) error) { p.step = fn }

// Hurry makes a pusher's times so short that tests need not wait.
func (p *Pusher) Hurry() {
	p.times = times{
		fresh: 200 * time.Millisecond, poll: 10 * time.Millisecond, sweep: time.Hour, first: 10 * time.Millisecond, last: 100 * time.Millisecond,
	}
}

// Fresh sets how old an announcement may be when its call begins.
func (p *Pusher) Fresh(d time.Duration) { p.times.fresh = d }
