package console_test

import (
	"net/http"
	"regexp"
	"testing"
)

func TestAWebhookIsGivenToAConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	path := "/sync/connections/" + s.erp.ID.String() + "/webhook"
	s.get(path).wants(t, http.StatusOK, "Receive webhooks")
	s.do(http.MethodPost, path, form("scheme", "hmac", "pointer", "/type", "entities", "ROBOT = robot")).
		wants(t, http.StatusUnprocessableEntity, "name the header", "ROBOT is no kind of entity", "ROBOT = robot")
	secretOf := regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`)
	made := s.do(http.MethodPost, path, form("scheme", "standard", "pointer", "/type", "entities", "SALE = order\r\nBILL = invoice\r\n"))
	made.wants(t, http.StatusOK, "whsec_")
	s.get(path).wants(t, http.StatusOK, "/webhooks/", "SALE = order", "New secret", "No messages yet")
	again := s.do(http.MethodPost, path+"/rotate", form())
	again.wants(t, http.StatusOK, "whsec_")
	if secretOf.FindString(again.body) == secretOf.FindString(made.body) {
		t.Error("the secret is the same")
	}
	s.post(path + "/delete")
	s.get(path).wants(t, http.StatusOK, "Receive webhooks")
	s.do(http.MethodPost, path+"/delete", form()).wants(t, http.StatusNotFound)
}

func TestADryRunShowsFieldByFieldWhatAJobWouldDo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	path := "/sync/jobs/" + s.job.ID.String() + "/dry-run"
	s.get(path).wants(t, http.StatusOK, "Would be changed", "/remark", "Ring once.", "/orders/"+s.order.ID.String(), path+"?after=2")
	s.get(path+"?beginning=true&after=2").wants(t, http.StatusOK, `href="`+path+`?beginning=true"`)
	s.remoteErr = refused()
	s.get(path).wants(t, http.StatusOK, "The other system cannot be read", "The key was refused.")
}
