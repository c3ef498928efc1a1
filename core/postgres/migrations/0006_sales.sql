-- +goose Up
-- The rest of the CRM: how customers are found (segments, campaigns), won (pipelines, opportunities, contracts, prices) and
-- kept (tickets, feedback, activities, tasks); dated rates; fields that an organization adds itself.
--
-- As in 0002: keys begin with the organization, `version` grows by one with each commit of a row.

-- 1. What the first kinds gain.

alter table customers add column tags text[] not null default '{}';
alter table contacts add column tags text[] not null default '{}';
alter table products add column tags text[] not null default '{}';
alter table orders add column tags text[] not null default '{}', add column opportunity_id uuid;

create table customer_invoice_profiles (
    organization_id uuid not null default crmhub_organization(),
    customer_id     uuid not null,
    seq             integer not null,
    is_default      boolean not null,
    title           text not null check (title <> ''),
    tax_no          text,
    bank            text,
    bank_account    text,
    address         text,
    phone           text,
    primary key (organization_id, customer_id, seq),
    foreign key (organization_id, customer_id) references customers on delete cascade
);
create unique index customer_invoice_profiles_is_default on customer_invoice_profiles (organization_id, customer_id) where is_default;
-- A customer's one tax profile becomes the first of its invoice profiles. Who migrates may be no superuser, and then sees
-- rows of customers only while row level security does not bind their owner.
alter table customers no force row level security;
insert into customer_invoice_profiles (organization_id, customer_id, seq, is_default, title, tax_no, bank, bank_account, address, phone)
select organization_id, id, 0, true, tax_profile ->> 'title', tax_profile ->> 'tax_no', tax_profile ->> 'bank', tax_profile ->> 'bank_account',
    tax_profile ->> 'address', tax_profile ->> 'phone'
from customers
where tax_profile is not null;
alter table customers force row level security;
alter table customers drop column tax_profile;

create table order_instalments (
    organization_id uuid not null default crmhub_organization(),
    order_id        uuid not null,
    seq             integer not null,
    due_date        date not null,
    amount          numeric(20, 4) not null check (amount >= 0),
    paid            numeric(20, 4) not null,
    status          text not null check (status in ('unpaid', 'partial', 'paid')),
    primary key (organization_id, order_id, seq),
    foreign key (organization_id, order_id) references orders on delete cascade
);

-- 2. Finding customers.

create table segments (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null,
    name            text not null check (name <> ''),
    description     text,
    subject         text not null check (subject in ('customer', 'contact')),
    kind            text not null check (kind in ('static', 'rule')),
    owner_id        uuid,
    tags            text[] not null default '{}',
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
create unique index segments_name on segments (organization_id, name) where deleted_at is null;
create index segments_recent on segments (organization_id, updated_at desc, id desc) where deleted_at is null;

create table segment_conditions (
    organization_id uuid not null default crmhub_organization(),
    segment_id      uuid not null,
    seq             integer not null,
    field           text not null check (field <> ''),
    op              text not null check (op in ('eq', 'ne', 'lt', 'le', 'gt', 'ge', 'in', 'contains', 'null', 'has')),
    values          text[] not null default '{}',
    primary key (organization_id, segment_id, seq),
    foreign key (organization_id, segment_id) references segments on delete cascade
);

create table segment_members (
    organization_id uuid not null default crmhub_organization(),
    segment_id      uuid not null,
    seq             integer not null,
    customer_id     uuid,
    contact_id      uuid,
    primary key (organization_id, segment_id, seq),
    foreign key (organization_id, segment_id) references segments on delete cascade,
    foreign key (organization_id, customer_id) references customers,
    foreign key (organization_id, contact_id) references contacts,
    check ((customer_id is null) <> (contact_id is null))
);

create table campaigns (
    organization_id  uuid not null default crmhub_organization() references organizations,
    id               uuid not null,
    version          bigint not null,
    code             text not null check (code <> ''),
    name             text not null check (name <> ''),
    kind             text not null check (kind in ('email', 'sms', 'call', 'mail', 'event', 'advertisement', 'social', 'other')),
    status           text not null check (status in ('planning', 'active', 'inactive', 'complete')),
    start_date       date,
    end_date         date,
    currency         char(3) check (currency ~ '^[A-Z]{3}$'),
    budget           numeric(20, 4) check (budget >= 0),
    actual_cost      numeric(20, 4) check (actual_cost >= 0),
    expected_revenue numeric(20, 4) check (expected_revenue >= 0),
    segment_id       uuid,
    owner_id         uuid,
    remark           text,
    tags             text[] not null default '{}',
    ext              jsonb not null default '{}',
    origin           text not null default 'crm',
    created_at       timestamptz not null,
    created_by       text not null,
    updated_at       timestamptz not null,
    updated_by       text not null,
    deleted_at       timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, segment_id) references segments,
    foreign key (organization_id, owner_id) references users,
    check (end_date >= start_date)
);
create unique index campaigns_code on campaigns (organization_id, code) where deleted_at is null;
create index campaigns_recent on campaigns (organization_id, updated_at desc, id desc) where deleted_at is null;

create table campaign_members (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null,
    campaign_id     uuid not null,
    contact_id      uuid,
    customer_id     uuid,
    status          text not null check (status in ('targeted', 'sent', 'opened', 'clicked', 'responded', 'converted', 'opted_out', 'bounced')),
    responded_at    timestamptz,
    response        text,
    ext             jsonb not null default '{}',
    origin          text not null default 'crm',
    created_at      timestamptz not null,
    created_by      text not null,
    updated_at      timestamptz not null,
    updated_by      text not null,
    deleted_at      timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, campaign_id) references campaigns,
    foreign key (organization_id, contact_id) references contacts,
    foreign key (organization_id, customer_id) references customers,
    check ((customer_id is null) <> (contact_id is null))
);
create unique index campaign_members_contact_id on campaign_members (organization_id, campaign_id, contact_id) where deleted_at is null;
create unique index campaign_members_customer_id on campaign_members (organization_id, campaign_id, customer_id) where deleted_at is null;
create index campaign_members_recent on campaign_members (organization_id, updated_at desc, id desc) where deleted_at is null;

-- What happened between a campaign and its members; rows are only ever added. The ids are made in order of time.
create table campaign_events (
    organization_id uuid not null default crmhub_organization(),
    campaign_id     uuid not null,
    id              uuid not null,
    member_id       uuid not null,
    at              timestamptz not null,
    by              text not null,
    type            text not null check (type <> ''),
    detail          text,
    primary key (organization_id, campaign_id, id),
    foreign key (organization_id, campaign_id) references campaigns,
    foreign key (organization_id, member_id) references campaign_members
);
create index campaign_events_member on campaign_events (organization_id, member_id);

-- 3. Winning customers.

create table pipelines (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null,
    name            text not null check (name <> ''),
    is_default      boolean not null,
    is_active       boolean not null,
    ext             jsonb not null default '{}',
    origin          text not null default 'crm',
    created_at      timestamptz not null,
    created_by      text not null,
    updated_at      timestamptz not null,
    updated_by      text not null,
    deleted_at      timestamptz,
    primary key (organization_id, id)
);
create unique index pipelines_name on pipelines (organization_id, name) where deleted_at is null;
create unique index pipelines_is_default on pipelines (organization_id) where is_default and deleted_at is null;
create index pipelines_recent on pipelines (organization_id, updated_at desc, id desc) where deleted_at is null;

create table pipeline_stages (
    organization_id uuid not null default crmhub_organization(),
    pipeline_id     uuid not null,
    seq             integer not null,
    code            text not null check (code <> ''),
    name            text not null check (name <> ''),
    kind            text not null check (kind in ('open', 'won', 'lost')),
    probability     integer not null check (probability between 0 and 100),
    rotten_days     integer check (rotten_days between 1 and 10000),
    primary key (organization_id, pipeline_id, seq),
    foreign key (organization_id, pipeline_id) references pipelines on delete cascade,
    unique (organization_id, pipeline_id, code)
);

create table opportunities (
    organization_id    uuid not null default crmhub_organization() references organizations,
    id                 uuid not null,
    version            bigint not null,
    number             text not null check (number <> ''),
    name               text not null check (name <> ''),
    customer_id        uuid not null,
    primary_contact_id uuid,
    pipeline_id        uuid not null,
    stage              text not null,
    stage_entered_at   timestamptz not null,
    status             text not null check (status in ('open', 'won', 'lost')),
    amount             numeric(20, 4) not null check (amount >= 0),
    currency           char(3) not null check (currency ~ '^[A-Z]{3}$'),
    rate_to_base       numeric(20, 10) not null check (rate_to_base > 0),
    probability        integer not null check (probability between 0 and 100),
    forecast_category  text not null check (forecast_category in ('pipeline', 'best_case', 'commit', 'closed', 'omitted')),
    expected_close     date,
    closed_at          timestamptz,
    lost_reason        text,
    lost_notes         text,
    next_step          text,
    campaign_id        uuid,
    source             text,
    owner_id           uuid,
    remark             text,
    tags               text[] not null default '{}',
    ext                jsonb not null default '{}',
    origin             text not null default 'crm',
    created_at         timestamptz not null,
    created_by         text not null,
    updated_at         timestamptz not null,
    updated_by         text not null,
    deleted_at         timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, customer_id) references customers,
    foreign key (organization_id, primary_contact_id) references contacts,
    foreign key (organization_id, pipeline_id) references pipelines,
    foreign key (organization_id, campaign_id) references campaigns,
    foreign key (organization_id, owner_id) references users,
    check ((status = 'open') = (closed_at is null)),
    check (status <> 'lost' or lost_reason is not null),
    -- Stages are written anew as a list, so what stands there is checked at the end.
    foreign key (organization_id, pipeline_id, stage) references pipeline_stages (organization_id, pipeline_id, code) deferrable initially deferred
);
create unique index opportunities_number on opportunities (organization_id, number) where deleted_at is null;
create index opportunities_recent on opportunities (organization_id, updated_at desc, id desc) where deleted_at is null;
create index opportunities_stage on opportunities (organization_id, pipeline_id, stage);
create index opportunities_customer on opportunities (organization_id, customer_id);
create index opportunities_closing on opportunities (organization_id, expected_close) where status = 'open' and deleted_at is null;
alter table orders add foreign key (organization_id, opportunity_id) references opportunities;
create index orders_opportunity on orders (organization_id, opportunity_id) where opportunity_id is not null;

create table opportunity_lines (
    organization_id uuid not null default crmhub_organization(),
    opportunity_id  uuid not null,
    seq             integer not null,
    product_id      uuid,
    description     text not null,
    unit            text,
    qty             numeric(20, 6) not null check (qty > 0),
    price           numeric(20, 6) not null check (price >= 0),
    discount_pct    numeric(7, 4) not null check (discount_pct between 0 and 100),
    untaxed         numeric(20, 4) not null,
    primary key (organization_id, opportunity_id, seq),
    foreign key (organization_id, opportunity_id) references opportunities on delete cascade,
    foreign key (organization_id, product_id) references products
);

-- The stages an opportunity went through, by the version that moved it; rows are only ever added.
create table opportunity_stage_log (
    organization_id uuid not null default crmhub_organization(),
    opportunity_id  uuid not null,
    version         bigint not null,
    at              timestamptz not null,
    by              text not null,
    pipeline_id     uuid not null,
    from_stage      text,
    to_stage        text not null,
    seconds         bigint,
    primary key (organization_id, opportunity_id, version),
    foreign key (organization_id, opportunity_id) references opportunities
);

create table contracts (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null,
    number          text not null check (number <> ''),
    name            text not null check (name <> ''),
    customer_id     uuid not null,
    opportunity_id  uuid,
    order_id        uuid,
    start_date      date,
    end_date        date,
    currency        char(3) not null check (currency ~ '^[A-Z]{3}$'),
    amount          numeric(20, 4) not null check (amount >= 0),
    status          text not null check (status in ('draft', 'in_review', 'signed', 'fulfilled', 'terminated', 'cancelled')),
    owner_id        uuid,
    remark          text,
    tags            text[] not null default '{}',
    ext             jsonb not null default '{}',
    origin          text not null default 'crm',
    created_at      timestamptz not null,
    created_by      text not null,
    updated_at      timestamptz not null,
    updated_by      text not null,
    deleted_at      timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, customer_id) references customers,
    foreign key (organization_id, opportunity_id) references opportunities,
    foreign key (organization_id, order_id) references orders,
    foreign key (organization_id, owner_id) references users,
    check (end_date >= start_date)
);
create unique index contracts_number on contracts (organization_id, number) where deleted_at is null;
create index contracts_recent on contracts (organization_id, updated_at desc, id desc) where deleted_at is null;
create index contracts_customer on contracts (organization_id, customer_id);
create index contracts_ending on contracts (organization_id, end_date) where status = 'signed' and deleted_at is null;

create table contract_signers (
    organization_id uuid not null default crmhub_organization(),
    contract_id     uuid not null,
    seq             integer not null,
    party           text not null check (party in ('own', 'customer', 'other')),
    name            text not null check (name <> ''),
    title           text,
    signed_on       date,
    primary key (organization_id, contract_id, seq),
    foreign key (organization_id, contract_id) references contracts on delete cascade
);

create table prices (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null,
    product_id      uuid not null,
    price_list      text not null,
    currency        char(3) not null check (currency ~ '^[A-Z]{3}$'),
    amount          numeric(20, 6) not null check (amount >= 0),
    min_qty         numeric(20, 6) not null check (min_qty >= 0),
    valid_from      date not null,
    valid_to        date,
    ext             jsonb not null default '{}',
    origin          text not null default 'crm',
    created_at      timestamptz not null,
    created_by      text not null,
    updated_at      timestamptz not null,
    updated_by      text not null,
    deleted_at      timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, product_id) references products,
    check (valid_to >= valid_from)
);
create index prices_product on prices (organization_id, product_id, price_list, currency, valid_from) where deleted_at is null;
create index prices_recent on prices (organization_id, updated_at desc, id desc) where deleted_at is null;
-- An exclusion constraint on ids and dates would need the extension btree_gist. Writers of one product wait for each other.
-- +goose StatementBegin
create function prices_do_not_overlap() returns trigger language plpgsql as $$
begin
    perform from products p where p.organization_id = new.organization_id and p.id = new.product_id for no key update;
    if new.deleted_at is null and exists (
            select from prices p
            where p.organization_id = new.organization_id and p.product_id = new.product_id and p.price_list = new.price_list
                and p.currency = new.currency and p.min_qty = new.min_qty and p.id <> new.id and p.deleted_at is null
                and daterange(p.valid_from, p.valid_to, '[]') && daterange(new.valid_from, new.valid_to, '[]')) then
        raise exception 'another price of this product is valid at the same time'
            using errcode = 'exclusion_violation', constraint = 'prices_valid_from', table = 'prices';
    end if;
    return null;
end $$;
-- +goose StatementEnd
create trigger prices_apart after insert or update on prices for each row execute function prices_do_not_overlap();

create table currency_rates (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null,
    currency        char(3) not null check (currency ~ '^[A-Z]{3}$'),
    base            char(3) not null check (base ~ '^[A-Z]{3}$'),
    date            date not null,
    rate            numeric(20, 10) not null check (rate > 0),
    ext             jsonb not null default '{}',
    origin          text not null default 'crm',
    created_at      timestamptz not null,
    created_by      text not null,
    updated_at      timestamptz not null,
    updated_by      text not null,
    deleted_at      timestamptz,
    primary key (organization_id, id),
    check (currency <> base)
);
create unique index currency_rates_date on currency_rates (organization_id, base, currency, date) where deleted_at is null;
create index currency_rates_recent on currency_rates (organization_id, updated_at desc, id desc) where deleted_at is null;

-- 4. Keeping customers.

create table tickets (
    organization_id    uuid not null default crmhub_organization() references organizations,
    id                 uuid not null,
    version            bigint not null,
    number             text not null check (number <> ''),
    subject            text not null check (subject <> ''),
    description        text,
    customer_id        uuid not null,
    contact_id         uuid,
    order_id           uuid,
    product_id         uuid,
    kind               text not null check (kind in ('question', 'problem', 'complaint', 'request', 'other')),
    priority           text not null check (priority in ('low', 'normal', 'high', 'urgent')),
    status             text not null check (status in ('new', 'assigned', 'pending', 'resolved', 'closed', 'rejected', 'duplicate')),
    first_response_due timestamptz,
    resolve_due        timestamptz,
    first_responded_at timestamptz,
    resolved_at        timestamptz,
    closed_at          timestamptz,
    owner_id           uuid,
    tags               text[] not null default '{}',
    ext                jsonb not null default '{}',
    origin             text not null default 'crm',
    created_at         timestamptz not null,
    created_by         text not null,
    updated_at         timestamptz not null,
    updated_by         text not null,
    deleted_at         timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, customer_id) references customers,
    foreign key (organization_id, contact_id) references contacts,
    foreign key (organization_id, order_id) references orders,
    foreign key (organization_id, product_id) references products,
    foreign key (organization_id, owner_id) references users
);
create unique index tickets_number on tickets (organization_id, number) where deleted_at is null;
create index tickets_recent on tickets (organization_id, updated_at desc, id desc) where deleted_at is null;
create index tickets_customer on tickets (organization_id, customer_id, created_at desc);
create index tickets_due on tickets (organization_id, resolve_due) where resolved_at is null and closed_at is null and deleted_at is null;

create table feedback (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null,
    customer_id     uuid not null,
    contact_id      uuid,
    ticket_id       uuid,
    at              timestamptz not null,
    score           integer check (score between 1 and 5),
    nps             integer check (nps between 0 and 10),
    text            text,
    owner_id        uuid,
    tags            text[] not null default '{}',
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
    foreign key (organization_id, ticket_id) references tickets,
    foreign key (organization_id, owner_id) references users
);
create index feedback_recent on feedback (organization_id, updated_at desc, id desc) where deleted_at is null;
create index feedback_customer on feedback (organization_id, customer_id, at desc);
create index feedback_ticket on feedback (organization_id, ticket_id) where ticket_id is not null;

create table activities (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null,
    kind            text not null check (kind in ('call', 'visit', 'meeting', 'email', 'note')),
    subject         text not null check (subject <> ''),
    content         text,
    customer_id     uuid not null,
    contact_id      uuid,
    opportunity_id  uuid,
    ticket_id       uuid,
    at              timestamptz not null,
    minutes         integer check (minutes between 0 and 100000),
    next_contact_at timestamptz,
    owner_id        uuid,
    tags            text[] not null default '{}',
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
    foreign key (organization_id, opportunity_id) references opportunities,
    foreign key (organization_id, ticket_id) references tickets,
    foreign key (organization_id, owner_id) references users
);
create index activities_recent on activities (organization_id, updated_at desc, id desc) where deleted_at is null;
create index activities_customer on activities (organization_id, customer_id, at desc);
create index activities_opportunity on activities (organization_id, opportunity_id, at desc) where opportunity_id is not null;
create index activities_owner_at on activities (organization_id, owner_id, at desc) where deleted_at is null;

create table tasks (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null,
    subject         text not null check (subject <> ''),
    description     text,
    status          text not null check (status in ('not_started', 'started', 'deferred', 'completed', 'cancelled')),
    priority        text not null check (priority in ('low', 'normal', 'high', 'urgent')),
    due_at          timestamptz,
    remind_at       timestamptz,
    done_at         timestamptz,
    customer_id     uuid,
    contact_id      uuid,
    opportunity_id  uuid,
    order_id        uuid,
    ticket_id       uuid,
    owner_id        uuid,
    tags            text[] not null default '{}',
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
    foreign key (organization_id, opportunity_id) references opportunities,
    foreign key (organization_id, order_id) references orders,
    foreign key (organization_id, ticket_id) references tickets,
    foreign key (organization_id, owner_id) references users,
    check ((status = 'completed') = (done_at is not null))
);
create index tasks_recent on tasks (organization_id, updated_at desc, id desc) where deleted_at is null;
create index tasks_due on tasks (organization_id, owner_id, due_at) where done_at is null and deleted_at is null;
create index tasks_customer on tasks (organization_id, customer_id) where customer_id is not null;

-- 5. Fields that an organization adds.

create table custom_fields (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null,
    entity          text not null check (entity <> ''),
    name            text not null check (name <> ''),
    kind            text not null check (kind in ('text', 'number', 'date', 'boolean', 'choice', 'reference')),
    label_en        text,
    label_zh        text,
    is_required     boolean not null,
    choices         text[] not null default '{}',
    refers          text,
    position        integer not null,
    is_active       boolean not null,
    ext             jsonb not null default '{}',
    origin          text not null default 'crm',
    created_at      timestamptz not null,
    created_by      text not null,
    updated_at      timestamptz not null,
    updated_by      text not null,
    deleted_at      timestamptz,
    primary key (organization_id, id)
);
create unique index custom_fields_name on custom_fields (organization_id, entity, name) where deleted_at is null;
create index custom_fields_recent on custom_fields (organization_id, updated_at desc, id desc) where deleted_at is null;

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['customer_invoice_profiles', 'order_instalments', 'segments', 'segment_conditions', 'segment_members', 'campaigns',
            'campaign_members', 'campaign_events', 'pipelines', 'pipeline_stages', 'opportunities', 'opportunity_lines', 'opportunity_stage_log',
            'contracts', 'contract_signers', 'prices', 'currency_rates', 'tickets', 'feedback', 'activities', 'tasks', 'custom_fields'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd
-- Histories are added to, never changed.
revoke update, delete on campaign_events, opportunity_stage_log from crmhub_app;

-- Who sees which rows. How the organization works (pipelines, prices, rates, custom fields) is read by whoever writes in it.
call guard_part('customer_invoice_profiles', 'customer_id', 'customers', 'customer');
call guard_part('order_instalments', 'order_id', 'orders', 'order');
call guard_rows('segments', 'segment');
call guard_part('segment_conditions', 'segment_id', 'segments', 'segment');
call guard_part('segment_members', 'segment_id', 'segments', 'segment');
call guard_rows('campaigns', 'campaign');
call guard_part('campaign_events', 'campaign_id', 'campaigns', 'campaign_member');
call guard_rows('campaign_members', 'campaign_member');
call guard_rows('opportunities', 'opportunity');
call guard_part('opportunity_lines', 'opportunity_id', 'opportunities', 'opportunity');
call guard_part('opportunity_stage_log', 'opportunity_id', 'opportunities', 'opportunity');
call guard_rows('contracts', 'contract');
call guard_part('contract_signers', 'contract_id', 'contracts', 'contract');
call guard_rows('tickets', 'ticket');
call guard_rows('feedback', 'feedback');
call guard_rows('activities', 'activity');
call guard_rows('tasks', 'task');
