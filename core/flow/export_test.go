package flow

// Statements are all that is asked of the server, by what they find.
func Statements() map[string]string {
	return map[string]string{"moved": selectMoved, "letters": selectLetters, "waiting": selectWaiting, "runs": selectRuns}
}
