// Package console is the hub's web console: pages rendered on the server, in English and 简体中文.
//
// Promises: every page works without the script; the script (asset/script.js, our own) sends the same forms and swaps what
// answers, finds while one types, drags, and shows instants in the reader's time zone. No text stands in a template:
// words come from locale/*.json, which a test keeps equal. A page shows what the signed-in person's transaction sees,
// nothing else. Content-Security-Policy allows this origin only, without
// inline script or style.
//
// It leaves to others: the rules of what may be written (edit, crm, job, link), and who somebody is (access).
package console
