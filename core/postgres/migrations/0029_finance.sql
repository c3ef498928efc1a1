-- +goose Up
-- Invoices that came as files and wait for somebody to accept them: what was read of each, and its bytes until they are
-- attached to the invoice made of it. A file that is refused keeps them.
create table invoice_inbox (
    organization_id   uuid not null default crmhub_organization() references organizations,
    id                uuid not null,
    name              text not null check (name <> ''),
    size              bigint not null,
    sha256            text not null,
    data              bytea,
    status            text not null check (status in ('review', 'accepted', 'refused')),
    reason            text not null default '',
    findings          jsonb not null default '[]',
    kind              text not null default '',
    number            text not null default '',
    issue_date        date,
    due_date          date,
    currency          text not null default '',
    total             numeric,
    seller            text not null default '',
    seller_is         text not null default 'unknown' check (seller_is in ('ours', 'other', 'unknown')),
    buyer             jsonb not null default '{}',
    payment_reference text,
    customer_id       uuid,
    invoice_id        uuid,
    created_at        timestamptz not null default now(),
    created_by        text not null default crmhub_actor(),
    decided_at        timestamptz,
    decided_by        text,
    primary key (organization_id, id),
    foreign key (organization_id, customer_id) references customers,
    foreign key (organization_id, invoice_id) references invoices
);
alter table invoice_inbox alter column data set storage external;
-- The same file is there once; after it was refused it may come again.
create unique index invoice_inbox_file on invoice_inbox (organization_id, sha256) where status <> 'refused';
create index invoice_inbox_status on invoice_inbox (organization_id, status, id desc);
create index invoice_inbox_number on invoice_inbox (organization_id, number) where status = 'review';
create index invoice_inbox_invoice on invoice_inbox (organization_id, invoice_id) where invoice_id is not null;

alter table invoice_inbox enable row level security;
alter table invoice_inbox force row level security;
create policy own on invoice_inbox to crmhub_app using (organization_id = crmhub_organization());
grant select, insert, update on invoice_inbox to crmhub_app;
-- It has no owner: it is for those who see all invoices.
call guard_rows('invoice_inbox', 'invoice');
