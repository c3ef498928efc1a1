-- +goose Up
-- Receivables (package report) add up what is open of each customer in a currency, and of each day on which it is due, in the order of an index each:
-- else a sum for each of some hundred thousand is sorted for or hashed first.
drop index invoices_open;
create index invoices_open on invoices (organization_id, customer_id, currency)
    include (id, issue_date, due_date, rate_to_base, residual, owner_id)
    where deleted_at is null and status not in ('draft', 'cancelled') and residual <> 0;
create index invoices_open_due on invoices (organization_id, currency, (coalesce(due_date, issue_date)))
    include (customer_id, issue_date, due_date, rate_to_base, residual, owner_id)
    where deleted_at is null and status not in ('draft', 'cancelled') and residual <> 0;
