package job

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// RunStatus says where a run stands.
type RunStatus string

// The statuses.
const (
	Queued    RunStatus = "queued"
	Running   RunStatus = "running"
	Held      RunStatus = "paused"    // by a person: it goes on from where it stopped when somebody resumes it
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

// Purpose says what a run is for.
type Purpose string

// The purposes.
const (
	Regular   Purpose = "regular"  // what the job is for, from where the last run ended
	Backfill  Purpose = "backfill" // a pull of a range once more; the job's cursor stays
	Replaying Purpose = "replay"   // dead letters once more
)

// Verdict is what a person said of a suspect run.
type Verdict string

// The verdicts.
const (
	Accepted  Verdict = "accepted"  // what it found is right: a run that believes it was asked for
	Discarded Verdict = "discarded" // it is wrong over there: the next run doubts again
)

// Run is one execution of a job.
type Run struct {
	ID              uuid.UUID `json:"id"`
	JobID           uuid.UUID `json:"job_id"`
	Purpose         Purpose   `json:"purpose"`
	Trigger         Trigger   `json:"cause"`
	Status          RunStatus `json:"status"`
	CancelRequested bool      `json:"cancel_requested"`
	PauseRequested  bool      `json:"pause_requested"`
	Stuck           bool      `json:"stuck"` // it executes, and nothing has moved for ten minutes
	Counts
	Estimate   int64      `json:"estimate,omitempty"` // how many the last run read, where Expected is not known
	EndsAt     *time.Time `json:"ends_at,omitempty"`  // when it will have read them all, at its pace so far
	Range      *Range     `json:"range,omitempty"`    // of a backfill
	Letters    *Scope     `json:"letters,omitempty"`  // of a replay
	Error      *Failure   `json:"error,omitempty"`    // why it failed or is suspect
	Verdict    Verdict    `json:"verdict,omitempty"`
	VerdictBy  string     `json:"verdict_by,omitempty"`
	Believe    bool       `json:"believe,omitempty"` // a person said that less than usual is right
	DueAt      *time.Time `json:"due_at,omitempty"`  // the scheduled time that it is for
	QueuedAt   time.Time  `json:"queued_at"`
	QueuedBy   string     `json:"queued_by"`
	StartedAt  *time.Time `json:"started_at,omitempty"`
	ProgressAt *time.Time `json:"progress_at,omitempty"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`
}

// Total is how many records the run will read in all: as the other side says, else as many as the last one; 0 if
// nobody knows.
func (r Run) Total() int64 {
	if r.Expected > 0 {
		return r.Expected
	}
	return r.Estimate
}

// endsAt says when a run that executes has read all, if it goes on as since its worker began.
func (r Run) endsAt(claimedAt *time.Time, claimedRead int64) *time.Time {
	done, left := r.Read-claimedRead, r.Total()-r.Read
	if r.Status != Running || claimedAt == nil || r.ProgressAt == nil || done <= 0 || left <= 0 {
		return nil
	}
	took := r.ProgressAt.Sub(*claimedAt)
	at := r.ProgressAt.Add(time.Duration(float64(took) * float64(left) / float64(done)))
	return &at
}

// Failure is why a run ended without success, for people. It carries neither secrets nor personal data.
type Failure struct {
	Class   string `json:"class"` // a connector.Class, "volume" for a suspect run, or "internal"
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`

	Said *schema.Saying `json:"said,omitempty"` // message and remedy, where they are the hub's
}

// SuspectError ends a run as suspect.
type SuspectError struct {
	Message string
	Said    *schema.Saying // the same, where it is the hub's
}

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
	case errors.Is(err, ErrPaused):
		return Held, nil
	case errors.As(err, &suspect):
		return Suspect, &Failure{
			Class: "volume", Message: suspect.Message, Said: suspect.Said,
			Remedy: "Check the other system. If it is right, accept the run: the next one believes what it finds. Else discard it.",
		}
	case errors.As(err, &remote):
		return Failed, &Failure{Class: string(remote.Class), Code: remote.Code, Message: remote.Message, Remedy: remote.Remedy, Said: remote.Said}
	default:
		return Failed, &Failure{Class: "internal", Message: err.Error()}
	}
}
