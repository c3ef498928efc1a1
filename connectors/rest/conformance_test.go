package rest_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"crmhub/core/connector"
	"crmhub/core/connector/connectortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shop is a manifest of the stub; tests replace parts of it.
const shop = `
name: shop
title: Shop
config:
  type: object
  required: [url, token]
  properties:
    url: {type: string}
    token: {type: string, writeOnly: true}
base: "{{config.url}}"
auth: {type: bearer, token: "{{secret.token}}"}
limits: {concurrency: 8, timeout: 10s}
check: {path: /me}
errors:
  - {status: [401], class: auth, message: /error/text, remedy: Check the token.}
  - {status: [429], class: quota, message: /error/text}
  - {status: [5xx], class: transient, message: /error/text}
  - {at: /error, exists: true, class: data, message: /error/text, code: /error/code}
streams:
  - entity: order
    record: order
    id: /id
    version: /rev
    updated: /changed_at
    pull:
      path: /orders
      query: {limit: "{{limit?}}", since: "{{since?}}", after: "{{after?}}"}
      records: /items
      total: /total
      page: {by: keyset, key: /id, size: 100}
      overlap: 2s
    get: {path: "/orders/{{id}}"}
    find: {path: /orders, query: {reference: "{{reference}}"}, records: /items}
    create:
      path: /orders
      body: {$spread: "{{data}}", reference: "{{reference}}"}
    update: {method: PUT, path: "/orders/{{id}}", body: "{{data}}", record: ""}
    delete: {method: DELETE, path: "/orders/{{id}}"}
`

const plainCreate = `
      path: /orders
      body: {$spread: "{{data}}", reference: "{{reference}}"}
`

func conform(t *testing.T, manifest string) {
	s := newStub(t)
	c := parse(t, manifest)
	connectortest.Run(t, connectortest.Harness{
		Connector: c,
		Open:      func(t *testing.T) connector.Session { return s.open(t, c, "good") },
		OpenWrong: func(t *testing.T) connector.Session { return s.open(t, c, "wrong") },
		Faults:    s,
		Streams: []connectortest.Stream{{
			Record:  "order",
			Data:    func(reference string) map[string]any { return map[string]any{"title": "order " + reference} },
			Change:  func(data map[string]any) { data["title"] = data["title"].(string) + ", changed" },
			Invalid: func(data map[string]any) { delete(data, "title") },
			Same:    func(data, record map[string]any) bool { return data["title"] == record["title"] },
		}},
	})
	s.CloseClientConnections()
}

// The kit watches goroutines, so this does not run beside other tests.
func TestConformance(t *testing.T) {
	for name, create := range map[string]string{
		"single":     plainCreate,
		"idempotent": plainCreate + "      idempotency: Idempotency-Key\n",
		"batch": `
      path: /orders/batch
      batch: 10
      item: {$spread: "{{data}}", reference: "{{reference}}"}
      body: {orders: "{{items}}"}
      results: /results
`,
		"parallel": plainCreate + "    push: {batch: 10}\n",
	} {
		t.Run(name, func(t *testing.T) { conform(t, strings.Replace(shop, plainCreate, create, 1)) })
	}
}
