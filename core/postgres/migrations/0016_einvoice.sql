-- +goose Up
-- Electronic invoices: what EN 16931 finds wrong with an invoice that came as a file, and what an invoice that leaves as one
-- has to say of its seller.
create table invoice_findings (
    organization_id uuid not null default crmhub_organization(),
    invoice_id      uuid not null,
    seq             integer not null,
    rule            text not null,
    severity        text not null check (severity in ('fatal', 'warning')),
    place           text,
    message         text,
    primary key (organization_id, invoice_id, seq),
    foreign key (organization_id, invoice_id) references invoices on delete cascade
);

-- The organization as it stands on its invoices, one row each.
create table sellers (
    organization_id   uuid primary key default crmhub_organization() references organizations,
    name              text not null default '',
    vat_number        text not null default '',
    tax_number        text not null default '',
    registration      text not null default '',
    street            text not null default '',
    city              text not null default '',
    postcode          text not null default '',
    province          text not null default '',
    country           text not null default '' check (country ~ '^([A-Z]{2})?$'),
    contact           text not null default '',
    phone             text not null default '',
    email             text not null default '',
    bank_account      text not null default '',
    bank              text not null default '',
    endpoint          text not null default '',
    endpoint_scheme   text not null default '',
    updated_at        timestamptz not null default now()
);

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['invoice_findings', 'sellers'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd
call guard_part('invoice_findings', 'invoice_id', 'invoices', 'invoice');
