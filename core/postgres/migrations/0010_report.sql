-- +goose Up
-- Reports: what the organization means to reach, and the indexes that reports over everything read instead of the tables.

create table targets (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    owner_id        uuid,
    month           date not null check (month = date_trunc('month', month::timestamp)::date),
    measure         text not null check (measure in ('revenue', 'orders', 'invoiced')),
    amount          numeric(20, 4) not null check (amount > 0),
    currency        char(3) check (currency ~ '^[A-Z]{3}$'),
    created_at      timestamptz not null default now(),
    created_by      text not null default crmhub_actor(),
    updated_at      timestamptz not null default now(),
    primary key (organization_id, id),
    foreign key (organization_id, owner_id) references users,
    check ((measure = 'orders') = (currency is null)),
    constraint targets_one unique nulls not distinct (organization_id, month, measure, owner_id, currency)
);

alter table targets enable row level security;
alter table targets force row level security;
create policy own on targets to crmhub_app using (organization_id = crmhub_organization());
grant select, insert, update, delete on targets to crmhub_app;

-- A document with addresses and custom fields is some half a kilobyte, what reports add up of it some eighty bytes. The
-- conditions are those of package report, word for word. By customer, so that sums by customer come in order.
create index orders_counted on orders (organization_id, customer_id, date)
    include (currency, rate_to_base, untaxed, owner_id)
    where deleted_at is null and status not in ('draft', 'submitted', 'cancelled');
create index orders_quoted on orders (organization_id, customer_id)
    where deleted_at is null and status in ('draft', 'submitted');
create index invoices_counted on invoices (organization_id, customer_id, issue_date)
    include (id, due_date, currency, rate_to_base, untaxed, total, residual, owner_id, kind)
    where deleted_at is null and status not in ('draft', 'cancelled');
create index payments_posted on payments (organization_id, date)
    include (id, customer_id, method, currency, amount, owner_id)
    where deleted_at is null and status = 'posted';

set local role crmhub_system;
call preset_grant('sales_manager', '{target}', '{read,create,update,delete}', 'organization');
call preset_grant('sales', '{target}', '{read}', 'organization');
call preset_grant('finance', '{target}', '{read}', 'organization');
reset role;
