package api

import (
	"slices"
	"strings"

	"crmhub/core/crm"
	"crmhub/core/duplicate"
	"crmhub/core/edit"
	"crmhub/core/privacy"
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
			route{"POST " + e.path + "/bulk", e.bulk()},
			route{"GET " + e.path + "/{id}", e.get()},
			route{"PATCH " + e.path + "/{id}", e.patch()},
			route{"DELETE " + e.path + "/{id}", e.remove()},
			route{"POST " + e.path + "/{id}/restore", e.restore()},
			route{"POST " + e.path + "/{id}/reveal", e.reveal()},
			route{"GET " + e.path + "/{id}/history", e.history()},
			route{"GET " + e.path + "/{id}/attachments", e.listAttachments()},
			route{"POST " + e.path + "/{id}/attachments", e.addAttachment()},
		)
		if edit.Compared(e.kind) {
			routes = append(routes, route{"POST /duplicates/check-" + strings.TrimPrefix(e.path, "/"), e.checkDuplicates()})
		}
		if slices.Contains(duplicate.Mergeable(), e.kind) {
			routes = append(routes, route{"POST " + e.path + "/{id}/merge", e.mergeInto()})
		}
		if slices.Contains(privacy.Erasable(), e.kind) {
			routes = append(routes, route{"POST " + e.path + "/{id}/erase", e.erase()}, route{"GET " + e.path + "/{id}/personal-data", e.held()})
		}
		if _, ok := printed[e.kind]; ok {
			routes = append(routes, route{"GET " + e.path + "/{id}/pdf", e.print()})
		}
		if e.kind == crm.KindInvoice {
			routes = append(routes, route{"GET " + e.path + "/{id}/ubl", e.electronic()})
		}
		if e.moves() {
			routes = append(routes, route{"POST " + e.path + "/{id}/status", e.move()})
		}
		switch e.kind {
		case crm.KindPayment:
			routes = append(routes, route{"POST /payments/{id}/allocate", e.allocate()}, route{"POST /payments/{id}/reverse-allocation", e.reverseAllocation()})
		case crm.KindProduct:
			routes = append(routes, route{"GET /products/{id}/price", e.getPrice()})
		case crm.KindCurrencyRate:
			routes = append(routes, route{"GET /currency-rates/rate", e.getRate()},
				route{"GET /currency-rates/missing", e.listUnrated()}, route{"POST /currency-rates/apply", e.rerate()})
		case crm.KindOpportunity:
			routes = append(routes, route{"POST /opportunities/{id}/stage", e.moveStage()}, route{"GET /opportunities/{id}/stages", s.listStages()})
		case crm.KindCampaign:
			routes = append(routes, route{"GET /campaigns/{id}/events", s.listCampaignEvents()})
		case crm.KindSegment:
			routes = append(routes, route{"GET /segments/{id}/members", s.listSegmentMembers(entities[0])})
		}
	}
	routes = append(routes, s.reportRoutes()...)
	return append(routes,
		route{"GET /targets", s.listTargets()},
		route{"POST /targets", s.addTarget()},
		route{"GET /targets/{id}", s.getTarget()},
		route{"PATCH /targets/{id}", s.patchTarget()},
		route{"DELETE /targets/{id}", s.deleteTarget()},

		route{"GET /erasures", s.listErasures()},
		route{"GET /erasures/{id}", s.getErasure()},
		route{"GET /views", s.listViews()},
		route{"POST /views", s.addView()},
		route{"GET /views/{id}", s.getView()},
		route{"PATCH /views/{id}", s.patchView()},
		route{"DELETE /views/{id}", s.deleteView()},

		route{"GET /connections", s.listConnections()},
		route{"POST /connections", s.addConnection()},
		route{"GET /connections/{id}", s.getConnection()},
		route{"PATCH /connections/{id}", s.patchConnection()},
		route{"DELETE /connections/{id}", s.deleteConnection()},
		route{"POST /connections/{id}/check", s.checkConnection()},
		route{"POST /connections/{id}/pause", s.pauseConnection()},
		route{"POST /connections/{id}/resume", s.resumeConnection()},
		route{"POST /connections/{id}/files", s.giveFile()},
		route{"POST /connections/{id}/run", s.runConnection()},

		route{"GET /connections/{id}/drift", s.listDrift()},
		route{"GET /drift-findings/{id}", s.getDrift()},
		route{"POST /drift-findings/{id}/acknowledge", s.acknowledgeDrift()},
		route{"GET /connections/{id}/webhook", s.getWebhook()},
		route{"PUT /connections/{id}/webhook", s.setWebhook()},
		route{"DELETE /connections/{id}/webhook", s.deleteWebhook()},
		route{"GET /connections/{id}/webhook-messages", s.listWebhookMessages()},
		route{"GET /mappings", s.listMappings()},
		route{"POST /mappings/roll-back", s.rollBackMapping()},
		route{"GET /mapping-versions", s.listVersions()},
		route{"POST /mapping-versions", s.addVersion()},
		route{"GET /mapping-versions/{id}", s.getVersion()},
		route{"GET /mapping-versions/{id}/diff", s.diffVersion()},
		route{"GET /mapping-versions/{id}/effect", s.showEffect()},
		route{"POST /mapping-versions/{id}/test", s.testVersion()},
		route{"POST /mapping-versions/{id}/preview", s.previewVersion()},
		route{"POST /mapping-versions/{id}/publish", s.publishVersion()},

		route{"GET /jobs", s.listJobs()},
		route{"POST /jobs", s.addJob()},
		route{"GET /jobs/{id}", s.getJob()},
		route{"PATCH /jobs/{id}", s.patchJob()},
		route{"DELETE /jobs/{id}", s.deleteJob()},
		route{"POST /jobs/{id}/run", s.runJob()},
		route{"POST /jobs/{id}/dry-run", s.dryRunJob()},
		route{"POST /jobs/{id}/backfill", s.backfillJob()},
		route{"POST /jobs/{id}/pause", s.pauseJob()},
		route{"POST /jobs/{id}/resume", s.resumeJob()},
		route{"GET /runs", s.listRuns()},
		route{"GET /runs/{id}", s.getRun()},
		route{"GET /runs/{id}/log", s.listRunLines()},
		route{"POST /runs/{id}/cancel", s.cancelRun()},
		route{"POST /runs/{id}/pause", s.pauseRun()},
		route{"POST /runs/{id}/resume", s.resumeRun()},
		route{"POST /runs/{id}/accept", s.acceptRun()},
		route{"POST /runs/{id}/discard", s.discardRun()},

		route{"GET /sync/flows", s.listFlows()},
		route{"GET /links", s.listLinks()},
		route{"GET /journeys", s.showJourney()},
		route{"POST /links", s.addLink()},
		route{"GET /links/{id}", s.getLink()},
		route{"POST /links/{id}/unlink", s.unlink()},

		route{"GET /matchings", s.listMatchings()},
		route{"POST /matchings", s.startMatching()},
		route{"GET /matchings/{id}", s.getMatching()},
		route{"GET /matchings/{id}/proposals", s.listProposals()},
		route{"POST /matchings/{id}/settle", s.settleProposals()},

		route{"GET /conflicts", s.listConflicts()},
		route{"POST /conflicts/settle", s.settleConflicts()},
		route{"GET /conflicts/{id}", s.getConflict()},
		route{"POST /conflicts/{id}/settle", s.settleConflict()},

		route{"GET /dead-letters", s.listDeadLetters()},
		route{"GET /dead-letters/causes", s.listCauses()},
		route{"POST /dead-letters/replay", s.replayDeadLetters()},
		route{"POST /dead-letters/dismiss", s.dismissDeadLetters()},
		route{"GET /dead-letters/{id}", s.getDeadLetter()},
		route{"POST /dead-letters/{id}/replay", s.replayDeadLetter()},
		route{"POST /dead-letters/{id}/dismiss", s.dismissDeadLetter()},

		route{"GET /alerts", s.listAlerts()},
		route{"GET /alerts/{id}", s.getAlert()},
		route{"POST /alerts/{id}/acknowledge", s.acknowledgeAlert()},
		route{"GET /alert-settings", s.showAlertSettings()},
		route{"PATCH /alert-settings", s.patchAlertSettings()},
		route{"GET /subscriptions", s.listSubscriptions()},
		route{"POST /subscriptions", s.addSubscription()},
		route{"GET /subscriptions/{id}", s.getSubscription()},
		route{"PATCH /subscriptions/{id}", s.patchSubscription()},
		route{"DELETE /subscriptions/{id}", s.deleteSubscription()},
		route{"POST /subscriptions/{id}/rotate-secret", s.rotateSubscriptionSecret()},
		route{"POST /subscriptions/{id}/test", s.testSubscription()},
		route{"GET /deliveries", s.listDeliveries()},
		route{"GET /deliveries/{id}", s.getDelivery()},
		route{"POST /deliveries/{id}/resend", s.resendDelivery()},
		route{"GET /reconciliations", s.listReconciliations()},
		route{"POST /reconciliations", s.startReconciliation()},
		route{"GET /reconciliations/{id}", s.getReconciliation()},
		route{"GET /reconciliations/{id}/differences", s.listDifferences()},
		route{"POST /reconciliations/{id}/mend", s.mendDifferences()},
		route{"POST /reconciliations/{id}/ignore", s.ignoreDifferences()},
		route{"GET /reconciliations/{id}/report", s.reconciliationReport()},

		route{"GET /audit", s.listAudit()},
		route{"GET /audit/{number}", s.getAudit()},
		route{"GET /audit/verify", s.verifyAudit()},

		route{"GET /imports", s.listImports()},
		route{"POST /imports", s.upload()},
		route{"GET /imports/{id}", s.getImport()},
		route{"PATCH /imports/{id}", s.patchImport()},
		route{"POST /imports/{id}/preview", s.previewImport()},
		route{"POST /imports/{id}/run", s.runImport()},
		route{"POST /imports/{id}/cancel", s.cancelImport()},
		route{"POST /imports/{id}/undo", s.undoImport()},
		route{"GET /imports/{id}/errors", s.importErrors()},
		route{"GET /exports", s.listExports()},
		route{"POST /exports", s.addExport()},
		route{"GET /exports/{id}", s.getExport()},
		route{"DELETE /exports/{id}", s.deleteExport()},
		route{"POST /exports/{id}/cancel", s.cancelExport()},
		route{"GET /exports/{id}/file", s.exportFile()},

		route{"GET /attachments/{id}", s.getAttachment()},
		route{"GET /attachments/{id}/file", s.attachmentFile()},
		route{"DELETE /attachments/{id}", s.deleteAttachment()},

		route{"GET /seller", s.showSeller()},
		route{"PATCH /seller", s.patchSeller()},

		route{"GET /invoice-inbox", s.listInbox()},
		route{"POST /invoice-inbox", s.receiveInvoice()},
		route{"GET /invoice-inbox/{id}", s.getInboxItem()},
		route{"GET /invoice-inbox/{id}/file", s.inboxFile()},
		route{"POST /invoice-inbox/{id}/accept", s.acceptInvoice()},
		route{"POST /invoice-inbox/{id}/refuse", s.refuseInvoice()},
		route{"POST /invoice-inbox/{id}/reopen", s.reopenInvoice()},
		route{"GET /open-payments", s.listOpenPayments()},
		route{"POST /open-payments/accept-certain", s.acceptCertain()},

		route{"GET /search", s.search()},
		route{"GET /duplicates", s.listDuplicates()},
		route{"POST /duplicates/find", s.findDuplicates()},
		route{"POST /duplicates/{id}/dismiss", s.dismissDuplicate()},
		route{"GET /merges", s.listMerges()},
		route{"POST /merges/{id}/undo", s.undoMerge()},

		route{"GET /follow-ups", s.listFollowUps()},
		route{"GET /pool", s.listPool()},
		route{"POST /pool/claim", s.claimCustomers()},
		route{"POST /pool/assign", s.assignCustomers()},
		route{"POST /pool/release", s.releaseCustomers()},
		route{"GET /pool/capacity", s.showCapacity()},
		route{"GET /pool/log", s.listPoolLog()},
		route{"GET /pool/due", s.listDue()},
		route{"POST /pool/recycle", s.recycleNow()},
		route{"GET /pool/settings", s.showPoolSettings()},
		route{"PATCH /pool/settings", s.patchPoolSettings()},
		route{"GET /recycle-rules", s.listRecycleRules()},
		route{"POST /recycle-rules", s.addRecycleRule()},
		route{"GET /recycle-rules/{id}", s.getRecycleRule()},
		route{"PATCH /recycle-rules/{id}", s.patchRecycleRule()},
		route{"DELETE /recycle-rules/{id}", s.deleteRecycleRule()},
		route{"GET /pool-limits", s.listPoolLimits()},
		route{"POST /pool-limits", s.addPoolLimit()},
		route{"GET /pool-limits/{id}", s.getPoolLimit()},
		route{"PATCH /pool-limits/{id}", s.patchPoolLimit()},
		route{"DELETE /pool-limits/{id}", s.deletePoolLimit()},
		route{"POST /users/{id}/hand-over", s.handOver()},
		route{"POST /users/{id}/hand-over/preview", s.previewHandOver()},
		route{"GET /hand-overs", s.listHandOvers()},
		route{"GET /hand-overs/{id}", s.getHandOver()},
		route{"POST /hand-overs/{id}/cancel", s.cancelHandOver()},

		route{"GET /me", s.showMe()},
		route{"GET /me/sessions", s.listSessions()},
		route{"DELETE /me/sessions", s.revokeOtherSessions()},
		route{"DELETE /me/sessions/{id}", s.revokeSession()},
		route{"POST /me/password", s.changePassword()},
		route{"GET /me/totp", s.showSecondFactor()},
		route{"POST /me/totp", s.beginSecondFactor()},
		route{"POST /me/totp/confirm", s.confirmSecondFactor()},
		route{"POST /me/totp/disable", s.endSecondFactor()},
		route{"POST /me/recovery-codes", s.renewRecoveryCodes()},
		route{"GET /me/login-events", s.listMyLoginEvents()},
		route{"GET /login-events", s.listLoginEvents()},
		route{"POST /users/{id}/reset-sign-in", s.resetSignIn()},

		route{"GET /tokens", s.listTokens()},
		route{"POST /tokens", s.createToken()},
		route{"DELETE /tokens/{id}", s.revokeToken()},

		route{"GET /users", s.listUsers()},
		route{"POST /users", s.addUser()},
		route{"GET /users/{id}", s.getUser()},
		route{"PATCH /users/{id}", s.patchUser()},
		route{"GET /roles", s.listRoles()},
		route{"POST /roles", s.addRole()},
		route{"GET /roles/{id}", s.getRole()},
		route{"PATCH /roles/{id}", s.patchRole()},
		route{"DELETE /roles/{id}", s.deleteRole()},
		route{"GET /departments", s.listDepartments()},
		route{"POST /departments", s.addDepartment()},
		route{"GET /departments/{id}", s.getDepartment()},
		route{"PATCH /departments/{id}", s.patchDepartment()},
		route{"DELETE /departments/{id}", s.deleteDepartment()},
		route{"GET /teams", s.listTeams()},
		route{"POST /teams", s.addTeam()},
		route{"GET /teams/{id}", s.getTeam()},
		route{"PATCH /teams/{id}", s.patchTeam()},
		route{"DELETE /teams/{id}", s.deleteTeam()},
	), nil
}
