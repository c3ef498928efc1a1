// Package notify tells others what happened here: a webhook for each change that somebody subscribed to, or a mail.
//
// What enters: the changes on their topics ([Feed]), and events that other packages announce in their own transactions
// ([Announce]), such as alerts. What leaves: a delivery for each subscription that wants the event, sent by [Sender], signed as
// Standard Webhooks says, and tried again for three days.
//
// Promises: an event that was announced reaches each subscription at least once, with the same id each time, or stands as a failed
// delivery that can be sent again; a receiver that fails holds back nobody else; no secret is shown twice or logged.
// It leaves to others: what an event says (the schemas of entities), and who may subscribe (access).
package notify
