package console

import (
	"strings"

	"crmhub/core/revision"
	"crmhub/core/schema"
)

// textFault is what is wrong with a mapping's text, and the line it is about.
type textFault struct {
	Message string
	Said    *schema.Saying
	Line    int    // 0 for none
	Text    string // of the line
}

// TextFaults are the faults beside what stands at their places.
func (p mappingPage) TextFaults() []textFault {
	lines := strings.Split(p.Text, "\n")
	faults := make([]textFault, len(p.Faults))
	for i, broken := range p.Faults {
		faults[i] = textFault{Message: broken.Message, Said: broken.Said}
		if line := revision.LineOf(broken); line > 0 && line <= len(lines) {
			faults[i].Line, faults[i].Text = line, strings.TrimSpace(lines[line-1])
		}
	}
	return faults
}
