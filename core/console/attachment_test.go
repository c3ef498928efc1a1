package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"crmhub/core/access"
)

func TestFilesBelongToARecord(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	path := "/orders/" + s.order.ID.String()
	s.get(path).wants(t, 200, "No files yet", `enctype="multipart/form-data"`, "/api/v1"+path+"/pdf?lang=en")
	a := s.upload(path+"/attachments", "signed.pdf", "%PDF-1.7 signed")
	if a.status != http.StatusSeeOther {
		t.Fatalf("status %d\n%s", a.status, a.body)
	}
	page := s.get(a.header.Get("Location"))
	page.wants(t, 200, "File attached", "signed.pdf", "15 B", "Ann Lee")
	s.upload(path+"/attachments", "", "").wants(t, http.StatusUnprocessableEntity, "Choose a file first")
	s.upload(path+"/attachments", "big.bin", strings.Repeat("x", 50<<20+1)).wants(t, http.StatusUnprocessableEntity, "larger than 50 MiB")
	remove := regexp.MustCompile(`action="([^"]+/attachments/[^"]+/delete)"`).FindStringSubmatch(page.body)[1]
	// The file of one record is none of another's.
	s.do(http.MethodPost, strings.Replace(remove, path, "/customers/"+s.customer.ID.String(), 1), nil).wants(t, http.StatusNotFound)
	s.get(s.post(remove)).wants(t, 200, "File deleted", "No files yet")
}

func TestFilesAreSeenAndChangedByWhoMay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.become(access.Role{
		Grants: []access.Grant{{Resource: "order", Action: access.Any, Scope: "organization"}, {Resource: "customer", Action: access.Read, Scope: "organization"}},
		Fields: []access.FieldRule{{Resource: "order", Field: "attachments", Access: access.FieldHidden}},
	})
	s.signIn()
	order, customer := "/orders/"+s.order.ID.String(), "/customers/"+s.customer.ID.String()
	if a := s.get(order); strings.Contains(a.body, "No files yet") {
		t.Error("hidden files have a card")
	}
	if a := s.get(customer); !strings.Contains(a.body, "No files yet") || strings.Contains(a.body, "multipart") {
		t.Error("who only reads is offered to attach, or sees no files")
	}
	for _, path := range []string{order, customer} {
		s.upload(path+"/attachments", "x.txt", "x").wants(t, http.StatusForbidden)
	}
}
