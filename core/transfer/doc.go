// Package transfer takes entities in from files and puts them out into files: imports and exports, as background work.
//
// An [Import] is a file that was uploaded, sensed, mapped by its columns, perhaps previewed, then run, and can be
// undone. An [Export] is a list that is written to a file. [Store] is what the API and the console call; [Runner] does
// the work, in any number of processes.
//
// Promises: a row that is refused stops no other and is kept with its cells and the reason; a batch's entities, its
// refusals and the import's counts are one transaction, so a crash loses and repeats nothing; memory does not grow with
// the file; undoing removes what nobody has touched since and says what it left alone; everything is done as the person
// who asked for it. It leaves to others: what a file's bytes are as a table (sheet), and what an entity must be (crm).
package transfer
