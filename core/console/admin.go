package console

import "crmhub/core/access"

// accountPages are everybody's own.
func (c *Console) accountPages() map[string]page {
	everybody := need{}
	return map[string]page{
		"GET /account":                     {everybody, c.showAccount},
		"POST /account/password":           {everybody, c.changePassword},
		"POST /account/language":           {everybody, c.changeLanguage},
		"POST /account/sessions/end":       {everybody, c.endOtherSessions},
		"POST /account/sessions/{id}/end":  {everybody, c.endSession},
		"POST /account/factor":             {everybody, c.beginFactor},
		"POST /account/factor/confirm":     {everybody, c.confirmFactor},
		"POST /account/factor/codes":       {everybody, c.renewCodes},
		"POST /account/factor/off":         {everybody, c.endFactor},
		"GET /account/tokens":              {needs(access.Tokens, access.Read), c.listTokens},
		"POST /account/tokens":             {needs(access.Tokens, access.Create), c.makeToken},
		"POST /account/tokens/{id}/revoke": {needs(access.Tokens, access.Delete), c.revokeToken},
	}
}

// adminPages are those of the organization: who is in it, what they may, what they did.
func (c *Console) adminPages() map[string]page {
	changeUsers, changeOrganization := needs(access.Users, access.Update), needs(access.Organizations, access.Update)
	return map[string]page{
		"GET /admin/users":                      {needs(access.Users, access.Read), c.listUsers},
		"GET /admin/users/new":                  {needs(access.Users, access.Create), c.newUser},
		"POST /admin/users":                     {needs(access.Users, access.Create), c.addUser},
		"GET /admin/users/{id}":                 {needs(access.Users, access.Read), c.showUser},
		"POST /admin/users/{id}":                {changeUsers, c.changeUser},
		"POST /admin/users/{id}/disable":        {changeUsers, c.actOnUser("user_disabled", setUserDisabled(true))},
		"POST /admin/users/{id}/enable":         {changeUsers, c.actOnUser("user_enabled", setUserDisabled(false))},
		"POST /admin/users/{id}/unlock":         {changeUsers, c.actOnUser("user_unlocked", unlockUser)},
		"POST /admin/users/{id}/end-sessions":   {changeUsers, c.actOnUser("sessions_ended", endUserSessions)},
		"POST /admin/users/{id}/reset-sign-in":  {changeUsers, c.actOnUser("sign_in_reset", resetUserSignIn)},
		"POST /admin/users/{id}/reset-password": {changeUsers, c.resetPassword},
		"POST /admin/users/{id}/hand-over":      {needsSome(access.Assign), c.handOver},
		"POST /admin/hand-overs/{id}/cancel":    {needsSome(access.Assign), c.cancelHandOver},

		"GET /admin/departments":              {needs(access.Organizations, access.Read), c.listDepartments},
		"POST /admin/departments":             {changeOrganization, c.addDepartment},
		"POST /admin/departments/{id}":        {changeOrganization, c.changeDepartment},
		"POST /admin/departments/{id}/delete": {changeOrganization, c.deleteDepartment},
		"GET /admin/teams":                    {needs(access.Organizations, access.Read), c.listTeams},
		"POST /admin/teams":                   {changeOrganization, c.saveTeam},
		"POST /admin/teams/{id}":              {changeOrganization, c.saveTeam},
		"POST /admin/teams/{id}/delete":       {changeOrganization, c.deleteTeam},
		"GET /admin/organization":             {needs(access.Organizations, access.Read), c.showOrganization},
		"POST /admin/organization":            {changeOrganization, c.changeOrganization},
		"GET /admin/organization/seller":      {needs(access.Organizations, access.Read), c.showSeller},
		"POST /admin/organization/seller":     {changeOrganization, c.changeSeller},

		"GET /admin/roles":              {needs(access.Roles, access.Read), c.listRoles},
		"GET /admin/roles/new":          {needs(access.Roles, access.Create), c.newRole},
		"POST /admin/roles":             {needs(access.Roles, access.Create), c.addRole},
		"GET /admin/roles/{id}":         {needs(access.Roles, access.Read), c.showRole},
		"POST /admin/roles/{id}":        {needs(access.Roles, access.Update), c.changeRole},
		"POST /admin/roles/{id}/delete": {needs(access.Roles, access.Delete), c.deleteRole},
		"GET /admin/roles/{id}/fields":  {needs(access.Roles, access.Read), c.showRoleFields},
		"POST /admin/roles/{id}/fields": {needs(access.Roles, access.Update), c.changeRoleFields},

		"GET /admin/audit":         {needs(access.Audit, access.Read), c.showTrail},
		"POST /admin/audit/verify": {needs(access.Audit, access.Read), c.verifyTrail},
	}
}
