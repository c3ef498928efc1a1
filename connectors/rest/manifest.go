package rest

import (
	"time"

	"go.yaml.in/yaml/v3"
)

// manifest is the file as written; README.md says what its fields mean, schemas/manifest.v1.json what they may be.
// Templates stay YAML nodes until they are compiled.
type manifest struct {
	Name    string         `yaml:"name"`
	Title   string         `yaml:"title"`
	Proof   string         `yaml:"proof"`
	Sources []string       `yaml:"sources"` // for readers: what the facts are from
	Config  yaml.Node      `yaml:"config"`
	Base    yaml.Node      `yaml:"base"`
	Headers yaml.Node      `yaml:"headers"`
	Auth    authManifest   `yaml:"auth"`
	Limits  limitsManifest `yaml:"limits"`
	RPC     *struct {
		Path   yaml.Node `yaml:"path"`
		Body   yaml.Node `yaml:"body"`
		Result located   `yaml:"result"`
	} `yaml:"rpc"`
	Values  values                    `yaml:"values"`
	Check   callManifest              `yaml:"check"`
	Errors  []placed[ruleManifest]    `yaml:"errors"`
	Lookups map[string]lookupManifest `yaml:"lookups"`
	Streams []placed[streamManifest]  `yaml:"streams"`
}

// placed remembers the line of a value.
type placed[T any] struct {
	Value T
	Line  int
}

// UnmarshalYAML takes what T takes.
func (p *placed[T]) UnmarshalYAML(n *yaml.Node) error {
	p.Line = n.Line
	return n.Decode(&p.Value)
}

// located is a text that remembers its line.
type located struct {
	Text string
	Line int
	Set  bool
}

// UnmarshalYAML takes a scalar.
func (l *located) UnmarshalYAML(n *yaml.Node) error {
	l.Line, l.Set = n.Line, true
	return n.Decode(&l.Text)
}

// locatedList is one text or several.
type locatedList []located

// UnmarshalYAML takes a scalar or a list of them.
func (l *locatedList) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		return n.Decode((*[]located)(l))
	}
	var one located
	if err := n.Decode(&one); err != nil {
		return err
	}
	*l = locatedList{one}
	return nil
}

type authManifest struct {
	Type         string                  `yaml:"type"`
	User         yaml.Node               `yaml:"user"`
	Password     yaml.Node               `yaml:"password"`
	Token        yaml.Node               `yaml:"token"`
	In           string                  `yaml:"in"`
	Name         string                  `yaml:"name"`
	Value        yaml.Node               `yaml:"value"`
	Grant        string                  `yaml:"grant"`
	TokenURL     yaml.Node               `yaml:"token_url"`
	ClientID     yaml.Node               `yaml:"client_id"`
	ClientSecret yaml.Node               `yaml:"client_secret"`
	Scope        yaml.Node               `yaml:"scope"`
	RefreshToken yaml.Node               `yaml:"refresh_token"`
	Steps        []authStepManifest      `yaml:"steps"`
	Headers      yaml.Node               `yaml:"headers"`
	Query        yaml.Node               `yaml:"query"`
	Cookies      bool                    `yaml:"cookies"`
	Lifetime     time.Duration           `yaml:"lifetime"`
	Expired      []placed[matchManifest] `yaml:"expired"`
}

type authStepManifest struct {
	callManifest `yaml:",inline"`

	Values  map[string]located   `yaml:"values"`
	Compose map[string]yaml.Node `yaml:"compose"`
}

type limitsManifest struct {
	Concurrency  int           `yaml:"concurrency"`
	Rate         locatedList   `yaml:"rate"`
	Timeout      time.Duration `yaml:"timeout"`
	ResponseSize int64         `yaml:"response_size"`
}

type callManifest struct {
	Method  string    `yaml:"method"`
	Path    yaml.Node `yaml:"path"`
	Query   yaml.Node `yaml:"query"`
	Headers yaml.Node `yaml:"headers"`
	Body    yaml.Node `yaml:"body"`
	Form    yaml.Node `yaml:"form"`
	RPC     *struct {
		Method yaml.Node `yaml:"method"`
		Params yaml.Node `yaml:"params"`
	} `yaml:"rpc"`
	Repeatable *bool `yaml:"repeatable"`
}

type conditionManifest struct {
	At      located `yaml:"at"`
	Equals  any     `yaml:"equals"`
	In      []any   `yaml:"in"`
	NotIn   []any   `yaml:"not_in"`
	Matches located `yaml:"matches"`
	Exists  *bool   `yaml:"exists"`
}

type matchManifest struct {
	conditionManifest `yaml:",inline"`

	Status []any  `yaml:"status"`
	Header string `yaml:"header"`
}

type ruleManifest struct {
	matchManifest `yaml:",inline"`

	Class      string  `yaml:"class"`
	Message    located `yaml:"message"`
	Code       located `yaml:"code"`
	Remedy     string  `yaml:"remedy"`
	RetryAfter located `yaml:"retry_after"`
	Refused    bool    `yaml:"refused"`
	Absent     bool    `yaml:"absent"`
}

type lookupManifest struct {
	callManifest `yaml:",inline"`

	Value  located       `yaml:"value"`
	Remedy string        `yaml:"remedy"`
	TTL    time.Duration `yaml:"ttl"`
}

type streamManifest struct {
	Entity  string                 `yaml:"entity"`
	Record  string                 `yaml:"record"`
	Fields  []string               `yaml:"fields"`
	ID      located                `yaml:"id"`
	Version located                `yaml:"version"`
	Updated locatedList            `yaml:"updated"`
	Format  string                 `yaml:"updated_format"`
	Deleted *placed[matchManifest] `yaml:"deleted"`
	Related []relationManifest     `yaml:"related"`
	Keep    []placed[keepManifest] `yaml:"keep"`
	Set     yaml.Node              `yaml:"set"`
	Pull    *pullManifest          `yaml:"pull"`
	Get     *readManifest          `yaml:"get"`
	Find    *readManifest          `yaml:"find"`
	Create  *placed[writeManifest] `yaml:"create"`
	Update  *placed[writeManifest] `yaml:"update"`
	Delete  *placed[writeManifest] `yaml:"delete"`
	Before  []stepManifest         `yaml:"before"`
	Then    []stepManifest         `yaml:"then"`
	Push    struct {
		Batch       int           `yaml:"batch"`
		Concurrency int           `yaml:"concurrency"`
		Settle      time.Duration `yaml:"settle"`
		FindFirst   bool          `yaml:"find_first"`
	} `yaml:"push"`
}

type relationManifest struct {
	callManifest `yaml:",inline"`

	At      located `yaml:"at"`
	Records located `yaml:"records"`
	ID      located `yaml:"id"`
}

type keepManifest struct {
	conditionManifest `yaml:",inline"`

	List located `yaml:"list"`
}

type pullManifest struct {
	callManifest `yaml:",inline"`

	Records located              `yaml:"records"`
	Missing bool                 `yaml:"may_be_missing"`
	Columns []string             `yaml:"columns"`
	Total   located              `yaml:"total"`
	Overlap *time.Duration       `yaml:"overlap"`
	Whole   bool                 `yaml:"whole"`
	Page    placed[pageManifest] `yaml:"page"`
	Changes *changesManifest     `yaml:"changes"`
}

type changesManifest struct {
	callManifest `yaml:",inline"`

	Records located       `yaml:"records"`
	Missing bool          `yaml:"may_be_missing"`
	Reach   time.Duration `yaml:"reach"`
	Most    int           `yaml:"most"`
}

type pageManifest struct {
	By    string  `yaml:"by"`
	Size  int     `yaml:"size"`
	First *int64  `yaml:"first"`
	Next  located `yaml:"next"`
	Key   located `yaml:"key"`
	More  located `yaml:"more"`
}

type readManifest struct {
	callManifest `yaml:",inline"`

	Record  located `yaml:"record"`  // get: of one
	Records located `yaml:"records"` // find; get of several

	Columns []string `yaml:"columns"` // rows are lists of values
	Gather  string   `yaml:"gather"`  // the columns beneath it make a list, an element a row
	Missing bool     `yaml:"may_be_missing"`
}

type writeManifest struct {
	callManifest `yaml:",inline"`

	When        *whenManifest   `yaml:"when"`
	ID          located         `yaml:"id"`
	Record      located         `yaml:"record"`
	Locate      *locateManifest `yaml:"locate"`
	ReadBack    bool            `yaml:"read_back"`
	Idempotency string          `yaml:"idempotency"`
	Batch       int             `yaml:"batch"`
	Item        yaml.Node       `yaml:"item"`
	Results     located         `yaml:"results"`
	Atomic      bool            `yaml:"atomic"`
}

type locateManifest struct {
	callManifest `yaml:",inline"`

	ID located `yaml:"id"`
}

type whenManifest struct {
	Data    []placed[conditionManifest] `yaml:"data"`
	Record  []placed[conditionManifest] `yaml:"record"`
	Differs []located                   `yaml:"differs"`
}

type stepManifest struct {
	callManifest `yaml:",inline"`

	Name   string        `yaml:"name"`
	On     []string      `yaml:"on"`
	When   *whenManifest `yaml:"when"`
	Refuse string        `yaml:"refuse"`

	Together bool `yaml:"together"`
}
