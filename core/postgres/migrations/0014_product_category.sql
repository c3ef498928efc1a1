-- +goose Up
-- The tree that an organization sorts its products into. What another system calls a product's category stays a text beside it.
create table product_categories (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null,
    code            text not null check (code <> ''),
    name            text not null check (name <> ''),
    parent_id       uuid,
    ext             jsonb not null default '{}',
    origin          text not null default 'crm',
    created_at      timestamptz not null,
    created_by      text not null,
    updated_at      timestamptz not null,
    updated_by      text not null,
    deleted_at      timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, parent_id) references product_categories
);
create unique index product_categories_code on product_categories (organization_id, code) where deleted_at is null;
create index product_categories_recent on product_categories (organization_id, updated_at desc, id desc) where deleted_at is null;
create index product_categories_parent on product_categories (organization_id, parent_id) where parent_id is not null;
select crmhub_make_searchable('product_categories');

-- Read by whoever writes in the organization, like all that says how it works.
alter table product_categories enable row level security;
alter table product_categories force row level security;
create policy own on product_categories to crmhub_app using (organization_id = crmhub_organization());
grant select, insert, update, delete on product_categories to crmhub_app;

alter table products add column product_category_id uuid;
alter table products add foreign key (organization_id, product_category_id) references product_categories;
create index products_category on products (organization_id, product_category_id) where product_category_id is not null;

set local role crmhub_system;
-- +goose StatementBegin
do $$
declare r text;
begin
    foreach r in array array['sales_manager', 'sales', 'marketing', 'service', 'finance', 'integrator'] loop
        call preset_grant(r, '{product_category}', '{read}', 'organization');
    end loop;
end $$;
-- +goose StatementEnd
reset role;
