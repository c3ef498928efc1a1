package simulator

import (
	"fmt"
	"net/http"
)

// party is the ERP's customer. The caller gives its content; the ERP adds number, revision and time of change.
type party struct {
	PartyNo   string         `json:"party_no,omitempty"`
	Rev       int64          `json:"rev,omitempty"`
	Changed   stamp          `json:"changed,omitzero"`
	Ref       string         `json:"external_ref"`
	Name      string         `json:"name1"`
	Category  string         `json:"category"` // ORG, PER
	VATID     string         `json:"vat_id,omitempty"`
	Currency  string         `json:"currency,omitempty"`
	Terms     string         `json:"terms,omitempty"`
	Tel       string         `json:"tel,omitempty"`
	Mail      string         `json:"mail,omitempty"`
	Web       string         `json:"web,omitempty"`
	Blocked   bool           `json:"blocked"`
	Addresses []partyAddress `json:"addresses"`
}

type partyAddress struct {
	Use string `json:"use"` // INV, DLV, OTH
	address
}

// address is a postal address as the ERP writes it.
type address struct {
	Line    string `json:"line,omitempty"`
	Quarter string `json:"quarter,omitempty"`
	Town    string `json:"town,omitempty"`
	Region  string `json:"region,omitempty"`
	Zip     string `json:"zip,omitempty"`
	Land    string `json:"land,omitempty"`
}

func (p party) check() *answer {
	var a answer
	switch {
	case p.Name == "":
		a = refuse(http.StatusUnprocessableEntity, "REQUIRED", "name1", "a party needs a name")
	case p.Category != "ORG" && p.Category != "PER":
		a = refuse(http.StatusUnprocessableEntity, "BAD_VALUE", "category", "it must be ORG or PER")
	default:
		return nil
	}
	return &a
}

func (e *ERP) createParty(r *http.Request) answer {
	var p party
	if a := decode(r, &p); a != nil {
		return *a
	}
	if a := p.check(); a != nil {
		return *a
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if a := repeated(r, e.parties); a != nil {
		return *a
	}
	made := &row[party]{id: fmt.Sprintf("K%05d", 10000+e.parties.next())}
	e.storeParty(made, p)
	remember(r, e.parties, made)
	return answer{status: http.StatusCreated, body: made.data}
}

func (e *ERP) updateParty(r *http.Request) answer {
	var p party
	if a := decode(r, &p); a != nil {
		return *a
	}
	if a := p.check(); a != nil {
		return *a
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.parties.byID[r.PathValue("id")]
	if old == nil {
		return notFound(r)
	}
	if a := stale(r, old.rev); a != nil {
		return *a
	}
	e.storeParty(old, p)
	return answer{status: http.StatusOK, body: old.data}
}

func (e *ERP) storeParty(to *row[party], p party) {
	at := e.clock.next()
	p.PartyNo, p.Rev, p.Changed = to.id, to.rev+1, stamp(at)
	to.data = p
	e.parties.put(to, p.Ref, at)
}
