package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"crmhub/core/access"
	"crmhub/core/crm"
)

const asBytes = "Content-Type: application/octet-stream"

func TestFilesBelongToEntities(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	pdf := "%PDF-1.7\n" + strings.Repeat("x", 3<<20)
	w := h.request(http.MethodPost, "/contacts/{contact}/attachments?name=%E5%90%88%E5%90%8C.pdf", pdf, asBytes)
	sum := sha256.Sum256([]byte(pdf))
	h.ids["file"] = field(t, w, "id")
	if w.Code != http.StatusCreated || field(t, w, "sha256") != hex.EncodeToString(sum[:]) || field(t, w, "media_type") != "application/pdf" {
		t.Fatal(w.Code, w.Body)
	}
	html := h.request(http.MethodPost, "/contacts/{contact}/attachments?name=a.html", "<!doctype html><script>alert(1)</script>", asBytes)
	h.ids["html"] = field(t, html, "id")
	got := h.request(http.MethodGet, "/attachments/{file}/file", "")
	if !bytes.Equal(got.Body.Bytes(), []byte(pdf)) {
		t.Errorf("%d bytes came back", got.Body.Len())
	}
	h.play([]scenario{
		{name: "to be saved", method: "GET", path: "/attachments/{html}/file", status: 200, has: []string{"Content-Type: application/octet-stream", "Content-Disposition: attachment; filename=a.html", "X-Content-Type-Options: nosniff", "Content-Length: 40", "<script>"}},
		{name: "by its name", method: "GET", path: "/attachments/{file}/file", status: 200, has: []string{"filename*=utf-8''%E5%90%88%E5%90%8C.pdf", "Content-Type: application/pdf"}},
		{name: "what is known", method: "GET", path: "/attachments/{file}", status: 200, has: []string{`"entity":"contact","entity_id":"` + h.ids["contact"], `"name":"合同.pdf"`, `"size":3145737`, `"created_by":"token:`}},
		{name: "the newest first", method: "GET", path: "/contacts/{contact}/attachments?limit=1", status: 200, has: []string{`"name":"a.html"`, "after=" + h.ids["html"]}, hasNot: []string{"合同"}},
		{name: "and the rest", method: "GET", path: "/contacts/{contact}/attachments?after={html}", status: 200, has: []string{`"name":"合同.pdf"`}, hasNot: []string{"a.html", `"next"`}},
		{name: "of another", method: "GET", path: "/orders/{order}/attachments", status: 200, has: []string{`{"items":[]}`}},
		{name: "an empty one", method: "POST", path: "/orders/{order}/attachments?name=empty", headers: []string{asBytes}, status: 201, has: []string{`"size":0`}},
		{name: "to nothing", method: "POST", path: "/orders/{contact}/attachments?name=x", body: "x", headers: []string{asBytes}, status: 404},
		{name: "without a name", method: "POST", path: "/orders/{order}/attachments", body: "x", headers: []string{asBytes}, status: 400, has: []string{`"parameter":"name"`}},
		{name: "with a folder", method: "POST", path: "/orders/{order}/attachments?name=..%2Fpasswd", body: "x", headers: []string{asBytes}, status: 400, has: []string{`"parameter":"name"`}},
		{name: "said to be something", method: "POST", path: "/orders/{order}/attachments?name=x", body: "x", headers: []string{"Content-Type: text/html"}, status: 415},
		{name: "too large", method: "POST", path: "/orders/{order}/attachments?name=x", body: strings.Repeat("x", 50<<20+1), headers: []string{asBytes}, status: 413, has: []string{"at most 50 MiB"}},
		{name: "delete", method: "DELETE", path: "/attachments/{html}", headers: []string{"Idempotency-Key: k"}, status: 204},
		{name: "gone", method: "GET", path: "/attachments/{html}/file", status: 404},
		{name: "the entity goes", method: "DELETE", path: "/contacts/{contact}", headers: []string{"If-Match: *"}, status: 204},
		{name: "and its files", method: "GET", path: "/attachments/{file}", status: 404},
		{name: "it comes back", method: "POST", path: "/contacts/{contact}/restore", headers: []string{"If-Match: *"}, status: 200},
		{name: "with them", method: "GET", path: "/attachments/{file}/file", status: 200},
	})
	h.seal("/contacts/{contact}/history", `"action":"attached"`)
	h.seal("/contacts/{contact}/history", `"action":"detached","entity":"contact"`)
}

func TestEveryKindHasFiles(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	for _, kind := range crm.Kinds() {
		path := pathOf(kind) + "/{" + string(kind) + " of nobody}/attachments"
		f.allow(access.Resource(kind), map[access.Action]access.Scope{"read": "organization", "update": "organization"})
		f.as([]scenario{{name: "add to " + string(kind), method: "POST", path: path + "?name=x", body: "x", headers: []string{asBytes}, status: 201}})
		f.allow(access.Resource(kind), map[access.Action]access.Scope{"read": "organization"})
		f.as([]scenario{
			{name: "read of " + string(kind), method: "GET", path: path, status: 200, has: []string{`"name":"x"`}},
			{name: "only", method: "POST", path: path + "?name=x", body: "x", headers: []string{asBytes}, status: 403, has: []string{string(kind) + ":update"}},
		})
	}
}

func TestFilesAreReachedAsWhatTheyBelongTo(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	for _, owner := range people {
		f.ids["file of "+owner] = field(t, f.request(http.MethodPost, "/customers/{customer of "+owner+"}/attachments?name=x.txt", "x", asBytes), "id")
	}
	f.ids["elsewhere"] = field(t, f.request(http.MethodPost, "/contacts/{contact of me}/attachments?name=x.txt", "x", asBytes), "id")
	role := access.Role{Grants: []access.Grant{
		{Resource: "customer", Action: access.Read, Scope: "department"},
		{Resource: "customer", Action: access.Update, Scope: "own"},
	}}
	f.become(role)
	f.as([]scenario{
		{name: "mine", method: "GET", path: "/attachments/{file of me}/file", status: 200},
		{name: "a colleague's", method: "GET", path: "/attachments/{file of colleague}/file", status: 200},
		{name: "out of reach", method: "GET", path: "/attachments/{file of below}/file", status: 404},
		{name: "of nobody", method: "GET", path: "/attachments/{file of nobody}", status: 404},
		{name: "listed out of reach", method: "GET", path: "/customers/{customer of below}/attachments", status: 404},
		{name: "of another kind", method: "GET", path: "/attachments/{elsewhere}", status: 404},
		{name: "what I see I may not all change", method: "DELETE", path: "/attachments/{file of colleague}", status: 403, has: []string{`"permission":"customer:update"`}},
		{name: "nor add to", method: "POST", path: "/customers/{customer of colleague}/attachments?name=x", body: "x", headers: []string{asBytes}, status: 403},
		{name: "nor what I do not see", method: "DELETE", path: "/attachments/{file of below}", status: 404},
		{name: "mine I may", method: "POST", path: "/customers/{customer of me}/attachments?name=x", body: "x", headers: []string{asBytes}, status: 201},
		{name: "and delete", method: "DELETE", path: "/attachments/{file of me}", status: 204},
	})
	role.Fields = []access.FieldRule{{Resource: "customer", Field: "attachments", Access: access.FieldRead}}
	f.become(role)
	f.as([]scenario{
		{name: "files to read", method: "GET", path: "/customers/{customer of me}/attachments", status: 200},
		{name: "and not to add", method: "POST", path: "/customers/{customer of me}/attachments?name=x", body: "x", headers: []string{asBytes}, status: 403},
	})
	role.Fields[0].Access = access.FieldHidden
	f.become(role)
	f.as([]scenario{
		{name: "hidden files", method: "GET", path: "/customers/{customer of me}/attachments", status: 403},
		{name: "by no door", method: "GET", path: "/attachments/{file of colleague}/file", status: 403},
		{name: "the rest is there", method: "GET", path: "/customers/{customer of me}", status: 200},
	})
}

func TestAMergeTakesFilesAlong(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.make("survivor", "/customers", `{"name":"Anton"}`)
	h.make("loser", "/customers", `{"name":"Berta"}`)
	h.ids["file"] = field(t, h.request(http.MethodPost, "/customers/{loser}/attachments?name=x.txt", "x", asBytes), "id")
	h.ids["own"] = field(t, h.request(http.MethodPost, "/customers/{survivor}/attachments?name=own.txt", "x", asBytes), "id")
	w := h.request(http.MethodPost, "/customers/{survivor}/merge", `{"loser_id":"{loser}","loser_version":1}`, `If-Match: "1"`)
	h.ids["merge"] = field(t, w, "id")
	h.play([]scenario{
		{name: "both are there", method: "GET", path: "/customers/{survivor}/attachments", status: 200, has: []string{h.ids["file"], h.ids["own"]}},
		{name: "the merge says so", method: "GET", path: "/merges", status: 200, has: []string{`"attachments":["` + h.ids["file"] + `"]`}},
		{name: "undo", method: "POST", path: "/merges/{merge}/undo", status: 200},
		{name: "it went back", method: "GET", path: "/customers/{loser}/attachments", status: 200, has: []string{h.ids["file"]}, hasNot: []string{h.ids["own"]}},
		{name: "its own stayed", method: "GET", path: "/customers/{survivor}/attachments", status: 200, has: []string{h.ids["own"]}, hasNot: []string{h.ids["file"]}},
	})
}
