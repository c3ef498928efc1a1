// Package core is the map of the house; it holds no code.
//
// # Push: what is saved here reaches the ERP
//
//	api, console → edit → crm (row and change in one transaction) → outbox → relay → bus (Kafka, crmhub.<entity>.v1)
//	  → push (a consumer per connection) → mapping (entity → record, checked by schema)
//	  → link (intent) → connector → ERP → link (acknowledged) → offset
//
// # Pull: what happened there reaches the CRM
//
//	job (cron, lease) → pull → connector (a page) → mapping (record, checked by schema → entity)
//	  → link (three-way merge) → crm (row and change), link and cursor in one transaction
//	  → outbox → … → the other connections
//
// # Floors
//
// A package imports lower floors only; imports_test.go holds the table and fails with the rule it finds broken.
//
//	8  cmd                                      wires everything; nothing else does
//	7  api   console                            the doors
//	6  allocation   inbox                       which payments pay which invoices; invoices that come as files
//	   reconcile   matching                     the proof that the walks led somewhere; which record is which entity, where both
//	                                            sides hold data: both read records and bring them in by pull
//	5  push  pull                               the two walks;
//	   report   paper   edit                    what it all comes to, what is printed, what a person may write
//	   privacy                                  a person's data, erased everywhere
//	   webhook                                  what other systems say: something changed there
//	   flow                                     how what moves stands
//	   asyncapi                                 what topics there are
//	4  job   transfer   duplicate   upkeep      when, and what a person must look at; files in and out; what is there twice;
//	   alert   listview                         who looks after whom; what an administrator should look at; lists under a name
//	   journey   revision                       what happened to a record; mappings by version
//	3  crm   link   connection   access         the store, the crosswalk, whom we speak to, who;
//	   attachment   notify   drift              files of what is stored; who outside is told of what; how records look
//	2  audit   outbox   mapping   connector     what was done, what leaves, how things correspond, the connectors' contract
//	1  postgres   bus                           the two servers
//	0  money  secret  schema  sheet             words everybody uses
//	   search  match  signature  einvoice  telemetry  running
package core
