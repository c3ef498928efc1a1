// Package console is the hub's web console: pages rendered on the server, in English and 简体中文.
//
// Promises: every page works without the script; the script (asset/script.js, our own) only refreshes live parts in
// place, shows instants in the reader's time zone, and sends a filter when it is chosen. No text stands in a template:
// words come from locale/*.json, which a test keeps equal. A page shows what the signed-in person's transaction sees,
// nothing else. Content-Security-Policy allows this origin only, without
// inline script or style.
//
// It leaves to others: the rules of what may be written (crm, job, link), and who somebody is (access).
package console
