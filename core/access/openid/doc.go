// Package openid signs people in at an OpenID provider: it sends a browser there and learns who came back.
//
// Promises: the authorization code flow with PKCE, state and nonce; what comes back counts only in the browser that was
// sent, within ten minutes; an ID token counts only from the configured issuer, for this client, unexpired and signed.
// The provider is found when it is first needed, and looked for again until it is: the hub starts without it.
// What a person known by the provider may do here is decided elsewhere (access.Store.SignInExternal).
package openid
