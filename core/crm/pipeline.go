package crm

import (
	"strconv"

	"crmhub/core/schema"
)

// Pipeline is the way opportunities take: stages, in order, to a win or a loss. An organization has at most one default.
type Pipeline struct {
	Head
	Name      string          `json:"name" db:"name" required:"true"` // unique in the organization
	IsDefault bool            `json:"is_default" db:"is_default"`     // takes the mark from the one that had it
	IsActive  bool            `json:"is_active" db:"is_active" default:"true"`
	Stages    []PipelineStage `json:"stages" db:"-"`
	Ext       Ext             `json:"ext" db:"ext"`
}

// PipelineStage is a station of a pipeline; its code is what opportunities name.
type PipelineStage struct {
	Code        string `json:"code" db:"code" required:"true" max:"64"`
	Name        string `json:"name" db:"name" required:"true"`
	Kind        string `json:"kind" db:"kind" enum:"open won lost"` // open, won, lost
	Probability int32  `json:"probability" db:"probability"`        // percent; copied to an opportunity that enters, later edits leave it alone
	RottenDays  *int32 `json:"rotten_days,omitempty" db:"rotten_days"`
}

// StandardPipeline is what an organization begins with, named in a language, en or zh-CN: its first opportunity brings it along
// if nobody made a pipeline before.
func StandardPipeline(locale string) *Pipeline {
	name, names := "Sales", []string{"Qualify", "Needs", "Proposal", "Negotiation", "Contract", "Won", "Lost"}
	if locale == "zh-CN" {
		name, names = "销售", []string{"验证客户", "需求分析", "方案报价", "商务谈判", "合同签订", "赢单", "输单"}
	}
	p := &Pipeline{Name: name, IsDefault: true, IsActive: true, Stages: []PipelineStage{
		{Code: "qualify", Kind: "open", Probability: 10},
		{Code: "needs", Kind: "open", Probability: 30},
		{Code: "proposal", Kind: "open", Probability: 50},
		{Code: "negotiation", Kind: "open", Probability: 70},
		{Code: "contract", Kind: "open", Probability: 90},
		{Code: "won", Kind: "won", Probability: 100},
		{Code: "lost", Kind: "lost"},
	}}
	for i := range p.Stages {
		p.Stages[i].Name = names[i]
	}
	return p
}

// Kind is KindPipeline.
func (*Pipeline) Kind() Kind { return KindPipeline }

// Normalize brings fields to their canonical form; a stage is open unless said otherwise, what is won is certain and what is lost weighs nothing.
func (p *Pipeline) Normalize() {
	canonical(p)
	for i := range p.Stages {
		switch s := &p.Stages[i]; s.Kind {
		case "":
			s.Kind = "open"
		case "won":
			s.Probability = 100
		case "lost":
			s.Probability = 0
		}
	}
}

// Validate returns everything that breaks a rule of the type. That a stage in use stays, the store checks.
func (p *Pipeline) Validate() schema.Violations {
	f := checkFields(p)
	kinds := make(map[string]int)
	seen := make(map[string]bool)
	for i, s := range p.Stages {
		at := "/stages/" + strconv.Itoa(i)
		if seen[s.Code] {
			f.add(at+"/code", "unique", "must be the code of one stage")
		}
		seen[s.Code] = true
		kinds[s.Kind]++
		if s.Kind == "open" {
			f.between(at+"/probability", &s.Probability, 1, 99)
		}
		f.between(at+"/rotten_days", s.RottenDays, 1, 10_000)
	}
	if kinds["open"] == 0 || kinds["won"] != 1 || kinds["lost"] == 0 {
		f.tell("/stages", "contains", "field_stages", "must have an open stage, a lost one and exactly one that is won")
	}
	if p.IsDefault && !p.IsActive {
		f.add("/is_active", "const", "must be true: the default pipeline takes new opportunities")
	}
	return f.violations
}

// stage returns the stage with a code, nil if there is none.
func (p *Pipeline) stage(code string) *PipelineStage {
	for i := range p.Stages {
		if p.Stages[i].Code == code {
			return &p.Stages[i]
		}
	}
	return nil
}
