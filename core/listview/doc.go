// Package listview keeps lists as people want them: a filter, an order and columns under a name.
//
// In come what somebody asks of a list and how it is to be called; out go the views that a reader has of a kind: his own, and
// those that were shared with him, of which one may be what his list begins with.
//
// A view says what to ask for, never what may be seen: the list is read as its reader. What a view asks of a field that its reader
// does not see is left out, and named ([View.Dropped]). Who sees and changes which view the database knows (migration 0030).
//
// Views are a person's own tools: they have no versions, the last change wins, and the audit trail does not tell of them.
package listview
