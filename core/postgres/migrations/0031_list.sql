-- +goose Up
-- What lists of kinds that grow without end are sorted by, besides the newest change; crm.QuickSorts names them. Each index
-- ends with the id, as the sort does, and is read in both directions. Empty values come first, so what may be empty is
-- indexed as it is sorted.
create index customers_by_name on customers (organization_id, name, id) where deleted_at is null;
create index customers_by_created_at on customers (organization_id, created_at, id) where deleted_at is null;
create index customers_by_next_contact_at on customers (organization_id, coalesce(next_contact_at, '-infinity'), id) where deleted_at is null;
create index contacts_by_name on contacts (organization_id, name, id) where deleted_at is null;
create index opportunities_by_expected_close on opportunities (organization_id, coalesce(expected_close, '-infinity'), id) where deleted_at is null;
create index opportunities_by_amount on opportunities (organization_id, amount, id) where deleted_at is null;
create index orders_by_date on orders (organization_id, date, id) where deleted_at is null;
create index orders_by_total on orders (organization_id, total, id) where deleted_at is null;
create index invoices_by_issue_date on invoices (organization_id, coalesce(issue_date, '-infinity'), id) where deleted_at is null;
create index invoices_by_due_date on invoices (organization_id, coalesce(due_date, '-infinity'), id) where deleted_at is null;
create index invoices_by_total on invoices (organization_id, total, id) where deleted_at is null;
create index activities_by_at on activities (organization_id, at, id) where deleted_at is null;
create index tasks_by_due_at on tasks (organization_id, coalesce(due_at, '-infinity'), id) where deleted_at is null;
