-- +goose Up
-- What lists are narrowed by, and what they are sorted by where that could not be looked up. Row level security lets an index answer
-- only for operators that are marked leakproof: those of text, dates and numbers of the machine are, those of numeric are
-- not, nor is coalesce, while case is.

-- 1. What people choose from (crm.QuickFilters). Whatever value is rare is looked up, whatever is frequent is soon met on the way along
-- an index of the order. Each value is stored once with a list of rows, so these are small: 7 bytes a row.
create index customers_of_lifecycle on customers (organization_id, lifecycle) where deleted_at is null;
create index customers_of_level on customers (organization_id, level) where deleted_at is null and level is not null;
create index contacts_opted_out on contacts (organization_id) where deleted_at is null and opt_out;
create index opportunities_of_status on opportunities (organization_id, status) where deleted_at is null;
create index opportunities_of_forecast on opportunities (organization_id, forecast_category) where deleted_at is null;
create index orders_of_status on orders (organization_id, status) where deleted_at is null;
create index orders_of_delivery on orders (organization_id, delivery_status) where deleted_at is null;
create index orders_of_payment on orders (organization_id, payment_status) where deleted_at is null;
create index contracts_of_status on contracts (organization_id, status) where deleted_at is null;
create index invoices_of_status on invoices (organization_id, status) where deleted_at is null;
create index invoices_of_payment on invoices (organization_id, payment_status, due_date) where deleted_at is null;
create index invoices_of_kind on invoices (organization_id, kind) where deleted_at is null;
create index payments_of_status on payments (organization_id, status) where deleted_at is null;
create index tickets_of_status on tickets (organization_id, status) where deleted_at is null;
create index tickets_of_priority on tickets (organization_id, priority) where deleted_at is null;
create index tickets_of_kind on tickets (organization_id, kind) where deleted_at is null;
create index activities_of_kind on activities (organization_id, kind) where deleted_at is null;
create index tasks_of_status on tasks (organization_id, status) where deleted_at is null;
create index tasks_of_priority on tasks (organization_id, priority) where deleted_at is null;
create index orders_by_promised_date on orders (organization_id, promised_date) where deleted_at is null and promised_date is not null;
create index contracts_by_start_date on contracts (organization_id, start_date) where deleted_at is null and start_date is not null;
create index tickets_by_resolve_due on tickets (organization_id, resolve_due) where deleted_at is null and resolve_due is not null;
create index activities_by_next_contact_at on activities (organization_id, next_contact_at) where deleted_at is null and next_contact_at is not null;

-- Nobody's: there may be none, or few.
-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['customers', 'contacts', 'opportunities', 'orders', 'contracts', 'tickets', 'feedback', 'activities', 'tasks'] loop
        execute format('create index %I on %I (organization_id) where owner_id is null and deleted_at is null', t || '_unowned', t);
    end loop;
end $$;
-- +goose StatementEnd

-- 2. Empty values first, as 0031 had them.
drop index customers_by_next_contact_at, opportunities_by_expected_close, invoices_by_issue_date, invoices_by_due_date, tasks_by_due_at;
create index customers_by_next_contact_at on customers (organization_id, (case when next_contact_at is null then '-infinity' else next_contact_at end), id) where deleted_at is null;
create index opportunities_by_expected_close on opportunities (organization_id, (case when expected_close is null then '-infinity' else expected_close end), id) where deleted_at is null;
create index invoices_by_issue_date on invoices (organization_id, (case when issue_date is null then '-infinity' else issue_date end), id) where deleted_at is null;
create index invoices_by_due_date on invoices (organization_id, (case when due_date is null then '-infinity' else due_date end), id) where deleted_at is null;
create index tasks_by_due_at on tasks (organization_id, (case when due_at is null then '-infinity' else due_at end), id) where deleted_at is null;

-- 3. Amounts. The rank is the amount as a number that an index may compare; what is equal in it is told apart by the amount.
alter table orders add column total_rank float8 generated always as (total::float8) stored;
alter table invoices add column total_rank float8 generated always as (total::float8) stored;
alter table opportunities add column amount_rank float8 generated always as (amount::float8) stored;
drop index orders_by_total, invoices_by_total, opportunities_by_amount;
create index orders_by_total on orders (organization_id, total_rank, total, id) where deleted_at is null;
create index invoices_by_total on invoices (organization_id, total_rank, total, id) where deleted_at is null;
create index opportunities_by_amount on opportunities (organization_id, amount_rank, amount, id) where deleted_at is null;

-- 4. Kinds that grow without end and had no order of their own.
create index payments_by_date on payments (organization_id, date, id) where deleted_at is null;
create index contracts_by_end_date on contracts (organization_id, (case when end_date is null then '-infinity' else end_date end), id) where deleted_at is null;
create index feedback_by_at on feedback (organization_id, at, id) where deleted_at is null;
