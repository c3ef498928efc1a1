// Package privacy erases a person's or customer's data at his request, and says what is held of somebody.
//
// [Eraser.Erase] takes it out of the entities, with a version that goes to the connections like any other, and out of every
// table that keeps what it once was: outbox, audit trail, links, journeys, dead letters and the rest. [Told] says how far the
// connections have it. Which fields are personal package crm says ([crm.Personal]); nothing here names one again.
//
// Promises: all or nothing, in the caller's transaction; a dry run is an erasure that is rolled back, so that it tells the truth;
// a table that is neither erased nor said to hold nothing fails a test. It leaves to others: who may ask, and Kafka, whose topics
// forget what is old by themselves. The README says what stays, and why.
package privacy
