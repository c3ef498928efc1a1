-- +goose Up
-- The CRM store: customers, contacts, products, orders, invoices, payments.
--
-- Keys begin with the organization, and so do foreign keys, which row level security does not watch:
-- nobody can point at another organization's row. Amounts have four decimals, so that a currency
-- of three (KWD) fits; quantities six. `version` grows by one with each commit of a row.

create table customers (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null,
    code            text not null check (code <> ''),
    name            text not null check (name <> ''),
    kind            text not null check (kind in ('company', 'person')),
    lifecycle       text not null check (lifecycle in ('lead', 'potential', 'customer', 'dormant', 'churned', 'blacklisted', 'other')),
    level           text check (level in ('A', 'B', 'C')),
    industry        text,
    source          text,
    parent_id       uuid,
    owner_id        uuid,
    uscc            text,
    tax_id          text,
    tax_profile     jsonb,
    currency        char(3) check (currency ~ '^[A-Z]{3}$'),
    payment_term    text,
    credit_limit    numeric(20, 4) check (credit_limit >= 0),
    is_frozen       boolean not null default false,
    phone           text,
    email           text,
    website         text,
    employees       integer check (employees >= 0),
    annual_revenue  numeric(20, 4),
    remark          text,
    last_contact_at timestamptz,
    next_contact_at timestamptz,
    ext             jsonb not null default '{}',
    origin          text not null default 'crm',
    created_at      timestamptz not null,
    created_by      text not null,
    updated_at      timestamptz not null,
    updated_by      text not null,
    deleted_at      timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, parent_id) references customers,
    foreign key (organization_id, owner_id) references users
);
create unique index customers_code on customers (organization_id, code) where deleted_at is null;
create unique index customers_uscc on customers (organization_id, uscc) where uscc is not null and deleted_at is null;
create index customers_tax_id on customers (organization_id, tax_id) where tax_id is not null and deleted_at is null;
create index customers_recent on customers (organization_id, updated_at desc, id desc) where deleted_at is null;

create table customer_addresses (
    organization_id uuid not null default crmhub_organization(),
    customer_id     uuid not null,
    seq             integer not null,
    kind            text not null check (kind in ('bill', 'ship', 'other')),
    street          text,
    district        text,
    city            text,
    province        text,
    postcode        text,
    country         char(2) check (country ~ '^[A-Z]{2}$'),
    primary key (organization_id, customer_id, seq),
    foreign key (organization_id, customer_id) references customers on delete cascade
);

create table contacts (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null,
    name            text not null check (name <> ''),
    title           text,
    department      text,
    mobile          text,
    phone           text,
    email           text,
    opt_out         boolean not null default false,
    owner_id        uuid,
    remark          text,
    ext             jsonb not null default '{}',
    origin          text not null default 'crm',
    created_at      timestamptz not null,
    created_by      text not null,
    updated_at      timestamptz not null,
    updated_by      text not null,
    deleted_at      timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, owner_id) references users
);
create index contacts_email on contacts (organization_id, email) where email is not null and deleted_at is null;
create index contacts_recent on contacts (organization_id, updated_at desc, id desc) where deleted_at is null;

create table contact_customers (
    organization_id uuid not null default crmhub_organization(),
    contact_id      uuid not null,
    seq             integer not null,
    customer_id     uuid not null,
    role            text check (role in ('decision_maker', 'evaluator', 'influencer', 'user', 'finance', 'other')),
    is_primary      boolean not null default false,
    is_active       boolean not null default true,
    primary key (organization_id, contact_id, seq),
    unique (organization_id, contact_id, customer_id),
    foreign key (organization_id, contact_id) references contacts on delete cascade,
    foreign key (organization_id, customer_id) references customers
);
create index contact_customers_customer on contact_customers (organization_id, customer_id);

create table products (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null,
    sku             text not null check (sku <> ''),
    name            text not null check (name <> ''),
    category        text,
    description     text,
    unit            text not null default 'unit',
    currency        char(3) check (currency ~ '^[A-Z]{3}$'),
    list_price      numeric(20, 4) check (list_price >= 0),
    cost            numeric(20, 4) check (cost >= 0),
    tax_rate        numeric(7, 4) check (tax_rate between 0 and 100),
    is_active       boolean not null default true,
    ext             jsonb not null default '{}',
    origin          text not null default 'crm',
    created_at      timestamptz not null,
    created_by      text not null,
    updated_at      timestamptz not null,
    updated_by      text not null,
    deleted_at      timestamptz,
    primary key (organization_id, id)
);
create unique index products_sku on products (organization_id, sku) where deleted_at is null;
create index products_recent on products (organization_id, updated_at desc, id desc) where deleted_at is null;

create table orders (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    version         bigint not null,
    number          text not null check (number <> ''),
    customer_id     uuid not null,
    contact_id      uuid,
    client_ref      text,
    date            date not null,
    promised_date   date,
    currency        char(3) not null check (currency ~ '^[A-Z]{3}$'),
    rate_to_base    numeric(20, 10) not null default 1 check (rate_to_base > 0),
    payment_term    text,
    status          text not null check (status in ('draft', 'submitted', 'confirmed', 'in_progress', 'on_hold', 'completed', 'closed_short', 'cancelled')),
    held_status     text check (held_status in ('confirmed', 'in_progress')),
    delivery_status text not null check (delivery_status in ('none', 'partial', 'full')),
    billing_status  text not null check (billing_status in ('none', 'partial', 'full')),
    payment_status  text not null check (payment_status in ('none', 'partial', 'full')),
    untaxed         numeric(20, 4) not null,
    tax             numeric(20, 4) not null,
    total           numeric(20, 4) not null,
    bill_address    jsonb,
    ship_address    jsonb,
    owner_id        uuid,
    remark          text,
    ext             jsonb not null default '{}',
    origin          text not null default 'crm',
    created_at      timestamptz not null,
    created_by      text not null,
    updated_at      timestamptz not null,
    updated_by      text not null,
    deleted_at      timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, customer_id) references customers,
    foreign key (organization_id, contact_id) references contacts,
    foreign key (organization_id, owner_id) references users,
    check (total = untaxed + tax),
    check ((status = 'on_hold') = (held_status is not null))
);
create unique index orders_number on orders (organization_id, number) where deleted_at is null;
create index orders_recent on orders (organization_id, updated_at desc, id desc) where deleted_at is null;
create index orders_customer on orders (organization_id, customer_id, date desc);

create table order_lines (
    organization_id uuid not null default crmhub_organization(),
    order_id        uuid not null,
    seq             integer not null,
    product_id      uuid,
    description     text not null,
    unit            text,
    qty             numeric(20, 6) not null check (qty > 0),
    price           numeric(20, 6) not null check (price >= 0),
    discount_pct    numeric(7, 4) not null default 0 check (discount_pct between 0 and 100),
    tax_rate        numeric(7, 4) not null default 0 check (tax_rate between 0 and 100),
    untaxed         numeric(20, 4) not null,
    tax             numeric(20, 4) not null,
    qty_delivered   numeric(20, 6) not null default 0,
    qty_billed      numeric(20, 6) not null default 0,
    primary key (organization_id, order_id, seq),
    foreign key (organization_id, order_id) references orders on delete cascade,
    foreign key (organization_id, product_id) references products
);
create index order_lines_product on order_lines (organization_id, product_id);

create table invoices (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    version         bigint not null,
    number          text not null check (number <> ''),
    kind            text not null check (kind in ('invoice', 'credit_note')),
    fapiao_type     text,
    customer_id     uuid not null,
    order_id        uuid,
    reverses_id     uuid,
    issue_date      date,
    due_date        date,
    currency        char(3) not null check (currency ~ '^[A-Z]{3}$'),
    rate_to_base    numeric(20, 10) not null default 1 check (rate_to_base > 0),
    untaxed         numeric(20, 4) not null,
    tax             numeric(20, 4) not null,
    total           numeric(20, 4) not null,
    residual        numeric(20, 4) not null,
    status          text not null check (status in ('draft', 'issued', 'cancelled', 'credited_partial', 'credited_full')),
    payment_status  text not null check (payment_status in ('unpaid', 'in_payment', 'partial', 'paid', 'reversed')),
    owner_id        uuid,
    remark          text,
    ext             jsonb not null default '{}',
    origin          text not null default 'crm',
    created_at      timestamptz not null,
    created_by      text not null,
    updated_at      timestamptz not null,
    updated_by      text not null,
    deleted_at      timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, customer_id) references customers,
    foreign key (organization_id, order_id) references orders,
    foreign key (organization_id, reverses_id) references invoices,
    foreign key (organization_id, owner_id) references users,
    check (total = untaxed + tax),
    check (status in ('draft', 'cancelled') or issue_date is not null)
);
create unique index invoices_number on invoices (organization_id, number) where deleted_at is null;
create index invoices_recent on invoices (organization_id, updated_at desc, id desc) where deleted_at is null;
create index invoices_customer on invoices (organization_id, customer_id, issue_date desc);
create index invoices_order on invoices (organization_id, order_id) where order_id is not null;
create index invoices_due on invoices (organization_id, due_date) where residual > 0 and deleted_at is null;

create table invoice_lines (
    organization_id uuid not null default crmhub_organization(),
    invoice_id      uuid not null,
    seq             integer not null,
    product_id      uuid,
    description     text not null,
    unit            text,
    qty             numeric(20, 6) not null,
    price           numeric(20, 6) not null,
    discount_pct    numeric(7, 4) not null default 0 check (discount_pct between 0 and 100),
    tax_rate        numeric(7, 4) not null default 0 check (tax_rate between 0 and 100),
    untaxed         numeric(20, 4) not null,
    tax             numeric(20, 4) not null,
    primary key (organization_id, invoice_id, seq),
    foreign key (organization_id, invoice_id) references invoices on delete cascade,
    foreign key (organization_id, product_id) references products
);

-- An issued invoice is a document somebody holds: what it says never changes. What happens to it does.
-- +goose StatementBegin
create function invoice_is_immutable() returns trigger language plpgsql as $$
begin
    if old.status <> 'draft' and tg_op = 'DELETE' then
        raise exception 'invoice % is issued and cannot be deleted', old.number
            using errcode = 'restrict_violation', constraint = 'invoice_immutable';
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    if old.status <> 'draft' and (new.number, new.kind, new.fapiao_type, new.customer_id, new.order_id, new.reverses_id,
            new.issue_date, new.due_date, new.currency, new.rate_to_base, new.untaxed, new.tax, new.total, new.deleted_at)
        is distinct from (old.number, old.kind, old.fapiao_type, old.customer_id, old.order_id, old.reverses_id,
            old.issue_date, old.due_date, old.currency, old.rate_to_base, old.untaxed, old.tax, old.total, old.deleted_at) then
        raise exception 'invoice % is issued and cannot be changed', old.number
            using errcode = 'restrict_violation', constraint = 'invoice_immutable';
    end if;
    if old.status <> 'draft' and new.status = 'draft' then
        raise exception 'invoice % is issued and cannot become a draft again', old.number
            using errcode = 'restrict_violation', constraint = 'invoice_immutable';
    end if;
    return new;
end $$;
-- +goose StatementEnd
create trigger invoice_immutable before update or delete on invoices
    for each row execute function invoice_is_immutable();
-- +goose StatementBegin
create function invoice_line_is_immutable() returns trigger language plpgsql as $$
begin
    if exists (select from invoices i where i.organization_id = old.organization_id and i.status <> 'draft'
            and (i.id = old.invoice_id or tg_op = 'UPDATE' and i.id = new.invoice_id)) then
        raise exception 'a line of an issued invoice cannot be changed'
            using errcode = 'restrict_violation', constraint = 'invoice_immutable';
    end if;
    return coalesce(new, old);
end $$;
-- +goose StatementEnd
create trigger invoice_line_immutable before update or delete on invoice_lines
    for each row execute function invoice_line_is_immutable();
-- An invoice that comes issued gets its lines by one statement; none is added to them later.
-- +goose StatementBegin
create function invoice_lines_are_all() returns trigger language plpgsql as $$
begin
    if exists (
            select from added a
            join invoices i on i.organization_id = a.organization_id and i.id = a.invoice_id and i.status <> 'draft'
            join invoice_lines l on l.organization_id = a.organization_id and l.invoice_id = a.invoice_id
            where not exists (select from added b where b.organization_id = l.organization_id and b.invoice_id = l.invoice_id and b.seq = l.seq)) then
        raise exception 'a line cannot be added to an issued invoice'
            using errcode = 'restrict_violation', constraint = 'invoice_immutable';
    end if;
    return null;
end $$;
-- +goose StatementEnd
create trigger invoice_lines_all after insert on invoice_lines
    referencing new table as added for each statement execute function invoice_lines_are_all();

create table payments (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    version         bigint not null,
    number          text not null check (number <> ''),
    customer_id     uuid not null,
    date            date not null,
    method          text,
    reference       text,
    currency        char(3) not null check (currency ~ '^[A-Z]{3}$'),
    amount          numeric(20, 4) not null check (amount <> 0),
    status          text not null check (status in ('draft', 'posted', 'cancelled')),
    owner_id        uuid,
    remark          text,
    ext             jsonb not null default '{}',
    origin          text not null default 'crm',
    created_at      timestamptz not null,
    created_by      text not null,
    updated_at      timestamptz not null,
    updated_by      text not null,
    deleted_at      timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, customer_id) references customers,
    foreign key (organization_id, owner_id) references users
);
create unique index payments_number on payments (organization_id, number) where deleted_at is null;
create index payments_recent on payments (organization_id, updated_at desc, id desc) where deleted_at is null;
create index payments_customer on payments (organization_id, customer_id, date desc);

create table payment_allocations (
    organization_id uuid not null default crmhub_organization(),
    payment_id      uuid not null,
    seq             integer not null,
    invoice_id      uuid not null,
    amount          numeric(20, 4) not null check (amount <> 0),
    primary key (organization_id, payment_id, seq),
    foreign key (organization_id, payment_id) references payments on delete cascade,
    foreign key (organization_id, invoice_id) references invoices
);
create index payment_allocations_invoice on payment_allocations (organization_id, invoice_id);

-- How many numbers beginning with a prefix (C-, SO-2026-) were given: the last one's number.
create table number_sequences (
    organization_id uuid not null default crmhub_organization() references organizations,
    prefix          text not null,
    taken           bigint not null,
    primary key (organization_id, prefix)
);

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['number_sequences', 'customers', 'customer_addresses', 'contacts', 'contact_customers', 'products', 'orders',
            'order_lines', 'invoices', 'invoice_lines', 'payments', 'payment_allocations'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd
