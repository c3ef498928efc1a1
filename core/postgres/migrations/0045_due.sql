-- +goose Up
-- What is due first is found at the beginning of an index, whose order ends with the id as that of the list does (package upkeep): else all
-- that is due is read to be sorted.
drop index customers_next_contact, opportunities_closing, contracts_ending, invoices_due;
create index customers_next_contact on customers (organization_id, next_contact_at, id) where next_contact_at is not null and deleted_at is null;
create index opportunities_closing on opportunities (organization_id, expected_close, id) where status = 'open' and deleted_at is null;
create index contracts_ending on contracts (organization_id, end_date, id) where status = 'signed' and deleted_at is null;
create index invoices_due on invoices (organization_id, due_date, id) where residual > 0 and deleted_at is null;
create index tasks_to_do on tasks (organization_id, due_at, id)
    where deleted_at is null and done_at is null and status in ('not_started', 'started', 'deferred');
create index tasks_to_remind on tasks (organization_id, remind_at, id)
    where remind_at is not null and deleted_at is null and done_at is null and status in ('not_started', 'started', 'deferred');
create index tickets_to_answer on tickets (organization_id, first_response_due, id)
    where deleted_at is null and resolved_at is null and first_responded_at is null and status in ('new', 'assigned', 'pending');

-- The board and the funnel of the home page add up what is open by stage; the board shows of the closed those of this month.
drop index opportunities_stage;
create index opportunities_stage on opportunities (organization_id, pipeline_id, stage, closed_at);
create index opportunities_on_board on opportunities (organization_id, pipeline_id, stage, currency) include (amount, owner_id)
    where deleted_at is null and status = 'open';
