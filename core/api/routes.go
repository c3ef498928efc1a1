package api

import (
	"slices"

	"crmhub/core/crm"
	"crmhub/core/duplicate"
)

// table is every route there is.
func (s *server) table() ([]route, error) {
	var routes []route
	entities, err := s.entities()
	if err != nil {
		return nil, err
	}
	for _, e := range entities {
		routes = append(routes,
			route{"GET " + e.path, e.search()},
			route{"POST " + e.path, e.create()},
			route{"GET " + e.path + "/{id}", e.get()},
			route{"PATCH " + e.path + "/{id}", e.patch()},
			route{"DELETE " + e.path + "/{id}", e.remove()},
		)
		if e.compared() {
			routes = append(routes, route{"POST " + e.path + "/check-duplicates", e.checkDuplicates()})
		}
		if slices.Contains(duplicate.Mergeable(), e.kind) {
			routes = append(routes, route{"POST " + e.path + "/{id}/merge", e.mergeInto()})
		}
		if e.kind == crm.KindOrder {
			routes = append(routes, route{"POST /orders/{id}/status", e.moveOrder()})
		}
	}
	return append(routes,
		route{"GET /connections", s.listConnections()},
		route{"POST /connections", s.addConnection()},
		route{"GET /connections/{id}", s.getConnection()},
		route{"PATCH /connections/{id}", s.patchConnection()},
		route{"DELETE /connections/{id}", s.deleteConnection()},
		route{"POST /connections/{id}/check", s.checkConnection()},
		route{"POST /connections/{id}/pause", s.pauseConnection()},
		route{"POST /connections/{id}/resume", s.resumeConnection()},

		route{"GET /jobs", s.listJobs()},
		route{"POST /jobs", s.addJob()},
		route{"GET /jobs/{id}", s.getJob()},
		route{"PATCH /jobs/{id}", s.patchJob()},
		route{"POST /jobs/{id}/run", s.runJob()},
		route{"POST /jobs/{id}/pause", s.pauseJob()},
		route{"POST /jobs/{id}/resume", s.resumeJob()},
		route{"GET /runs", s.listRuns()},
		route{"GET /runs/{id}", s.getRun()},
		route{"POST /runs/{id}/cancel", s.cancelRun()},

		route{"GET /links", s.listLinks()},

		route{"GET /dead-letters", s.listDeadLetters()},
		route{"GET /dead-letters/{id}", s.getDeadLetter()},
		route{"POST /dead-letters/{id}/replay", s.replayDeadLetter()},
		route{"POST /dead-letters/{id}/dismiss", s.dismissDeadLetter()},

		route{"GET /search", s.search()},
		route{"GET /duplicates", s.listDuplicates()},
		route{"POST /duplicates/find", s.findDuplicates()},
		route{"POST /duplicates/{id}/dismiss", s.dismissDuplicate()},
		route{"GET /merges", s.listMerges()},
		route{"POST /merges/{id}/undo", s.undoMerge()},

		route{"GET /me", s.showMe()},
		route{"GET /tokens", s.listTokens()},
		route{"POST /tokens", s.createToken()},
		route{"DELETE /tokens/{id}", s.revokeToken()},
	), nil
}
