-- +goose Up
-- Receivables (package report) rank the customers by what they owe: floats that the index holds are summed up in half the time that
-- amounts take. What is shown is added up exactly.
drop index invoices_open;
create index invoices_open on invoices (organization_id, customer_id, currency, ((residual)::float8))
    include (id, issue_date, due_date, rate_to_base, residual, owner_id)
    where deleted_at is null and status not in ('draft', 'cancelled') and residual <> 0;
