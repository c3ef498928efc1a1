package job

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"crmhub/core/connector"
)

// RunStatus says where a run stands.
type RunStatus string

// The statuses.
const (
	Queued    RunStatus = "queued"
	Running   RunStatus = "running"
	Succeeded RunStatus = "succeeded" // single records may have failed: see Failed and the dead letters
	Suspect   RunStatus = "suspect"   // the other side gave so much less than usual that nothing was believed
	Failed    RunStatus = "failed"    // it ended early, for the reason in Error; the next run goes on from the cursor
	Cancelled RunStatus = "cancelled"
)

// Trigger says why a run was enqueued.
type Trigger string

// The triggers.
const (
	BySchedule Trigger = "schedule"
	ByHand     Trigger = "manual"
	ByMessage  Trigger = "webhook" // the other system said that something changed
)

// Counts is what a run did so far, in records.
type Counts struct {
	Read      int64 `json:"read"`
	Created   int64 `json:"created"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
	Failed    int64 `json:"failed"`             // became dead letters
	Expected  int64 `json:"expected,omitempty"` // how many it will read in all, if the other side says; else 0
}

// Run is one execution of a job.
type Run struct {
	ID              uuid.UUID `json:"id"`
	JobID           uuid.UUID `json:"job_id"`
	Trigger         Trigger   `json:"cause"`
	Status          RunStatus `json:"status"`
	CancelRequested bool      `json:"cancel_requested"`
	Counts
	Error      *Failure   `json:"error,omitempty"` // why it failed or is suspect
	QueuedAt   time.Time  `json:"queued_at"`
	QueuedBy   string     `json:"queued_by"`
	StartedAt  *time.Time `json:"started_at,omitempty"`
	ProgressAt *time.Time `json:"progress_at,omitempty"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`
}

// Failure is why a run ended without success, for people. It carries neither secrets nor personal data.
type Failure struct {
	Class   string `json:"class"` // a connector.Class, "volume" for a suspect run, or "internal"
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}

// SuspectError ends a run as suspect.
type SuspectError struct{ Message string }

func (e *SuspectError) Error() string { return e.Message }

// outcome is how a run that ended with err is recorded.
func outcome(err error) (RunStatus, *Failure) {
	var suspect *SuspectError
	var remote *connector.Error
	switch {
	case err == nil:
		return Succeeded, nil
	case errors.Is(err, ErrCancelled):
		return Cancelled, nil
	case errors.As(err, &suspect):
		return Suspect, &Failure{
			Class: "volume", Message: suspect.Message,
			Remedy: "Check the other system. If it is right, start the job by hand: that run believes what it finds.",
		}
	case errors.As(err, &remote):
		return Failed, &Failure{Class: string(remote.Class), Code: remote.Code, Message: remote.Message, Remedy: remote.Remedy}
	default:
		return Failed, &Failure{Class: "internal", Message: err.Error()}
	}
}
