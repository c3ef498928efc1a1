-- +goose Up
-- Upkeep of relationships: the pool of customers that nobody looks after (公海), the rules by which they get there, who may
-- claim how many, and what a user owned going over to others.

-- A customer is in the pool while pooled_at says since when; it has no owner then. owned_since is when the owner, or
-- nobody, got it; null is since it was created. No entity has the two: they follow the owner, whoever changes it.
alter table customers add column owned_since timestamptz, add column pooled_at timestamptz;
alter table customers add constraint customers_pooled check (pooled_at is null or owner_id is null) not valid; -- so are all
create index customers_pool on customers (organization_id, pooled_at desc, id desc) where pooled_at is not null and deleted_at is null;
-- +goose StatementBegin
create function customer_changes_hands() returns trigger language plpgsql as $$
begin
    new.owned_since := new.updated_at;
    if new.owner_id is not null then
        new.pooled_at := null;
    end if;
    return new;
end $$;
-- +goose StatementEnd
create trigger changes_hands before update on customers for each row when (old.owner_id is distinct from new.owner_id)
    execute function customer_changes_hands();

-- What follow-ups look for that no index had in order of its date.
create index order_instalments_due on order_instalments (organization_id, due_date) where status <> 'paid';
create index customers_next_contact on customers (organization_id, next_contact_at) where next_contact_at is not null and deleted_at is null;

-- How the pool works where no rule says it.
--   time_zone        in which days begin and end
--   recycle_hour     of each day, when the rules are applied
--   next_recycle_at  when that is next; null until there is a rule
create table pool_settings (
    organization_id uuid primary key default crmhub_organization() references organizations,
    time_zone       text not null default 'UTC',
    recycle_hour    integer not null default 2 check (recycle_hour between 0 and 23),
    next_recycle_at timestamptz,
    updated_at      timestamptz not null default now(),
    updated_by      text not null default crmhub_actor()
);
create index pool_settings_due on pool_settings (next_recycle_at) where next_recycle_at is not null;

-- When a customer falls into the pool; package upkeep says what the bases and keeps mean.
--   lifecycles, levels, tags, department_id  to which customers it applies; none: to all
--   days, warn_days                          how long after what the basis says, and how long before that the owner is warned
--   keeps, keep_tags                         what keeps a customer with its owner all the same
create table pool_rules (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    name            text not null check (name <> ''),
    is_active       boolean not null,
    basis           text not null check (basis in ('contact', 'first_contact', 'deal', 'contract')),
    days            integer not null check (days between 1 and 3650),
    warn_days       integer not null check (warn_days between 0 and days),
    lifecycles      text[] not null,
    levels          text[] not null,
    tags            text[] not null,
    department_id   uuid,
    keeps           text[] not null,
    keep_tags       text[] not null,
    created_at      timestamptz not null default now(),
    created_by      text not null default crmhub_actor(),
    updated_at      timestamptz not null default now(),
    updated_by      text not null default crmhub_actor(),
    primary key (organization_id, id),
    foreign key (organization_id, department_id) references departments
);

-- How much of the pool one may take: one row for a user, a role, or everybody. What is null says nothing.
create table pool_limits (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    user_id         uuid,
    role_id         uuid,
    max_owned       integer check (max_owned >= 0),
    claims_per_day  integer check (claims_per_day >= 0),
    cooldown_days   integer check (cooldown_days between 0 and 3650),
    created_at      timestamptz not null default now(),
    created_by      text not null default crmhub_actor(),
    updated_at      timestamptz not null default now(),
    updated_by      text not null default crmhub_actor(),
    primary key (organization_id, id),
    foreign key (organization_id, user_id) references users on delete cascade,
    foreign key (organization_id, role_id) references roles on delete cascade,
    check (num_nonnulls(user_id, role_id) <= 1),
    constraint pool_limits_one unique nulls not distinct (organization_id, user_id, role_id)
);

-- What came into the pool and left it by its own doors. It is added to, never changed.
--   rule, basis, since  of what was recycled, as they were that day; due_on is the day it fell due
--   reason              what somebody gave who released it
create table pool_log (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    customer_id     uuid not null,
    at              timestamptz not null,
    by              text not null default crmhub_actor(),
    event           text not null check (event in ('released', 'recycled', 'claimed', 'assigned')),
    from_owner      uuid,
    to_owner        uuid,
    rule_id         uuid,
    rule            text,
    basis           text,
    since           date,
    due_on          date,
    reason          text,
    primary key (organization_id, id),
    foreign key (organization_id, customer_id) references customers,
    check ((event = 'recycled') = (rule_id is not null))
);
create index pool_log_customer on pool_log (organization_id, customer_id, id desc);
create index pool_log_claims on pool_log (organization_id, to_owner, at) where event = 'claimed';

-- What a user owned going over to others, kind by kind, in the background.
--   actor  who asked, and as whom it is done
create table hand_overs (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    from_user       uuid not null,
    open_only       boolean not null,
    status          text not null default 'running' check (status in ('running', 'done', 'cancelled', 'failed')),
    error           text,
    actor           text not null default crmhub_actor(),
    traceparent     text,
    created_at      timestamptz not null default now(),
    progress_at     timestamptz not null default now(),
    finished_at     timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, from_user) references users
);
create index hand_overs_running on hand_overs (created_at) where status = 'running';
create unique index hand_overs_one on hand_overs (organization_id, from_user) where status = 'running';

--   expected  how many there were when it was asked for
--   position  the id up to which all are moved that were there
create table hand_over_parts (
    organization_id uuid not null default crmhub_organization(),
    hand_over_id    uuid not null,
    seq             integer not null,
    entity          text not null,
    to_user         uuid not null,
    expected        bigint not null,
    moved           bigint not null default 0,
    position        uuid not null default '00000000-0000-0000-0000-000000000000',
    done            boolean not null default false,
    primary key (organization_id, hand_over_id, seq),
    foreign key (organization_id, hand_over_id) references hand_overs on delete cascade,
    foreign key (organization_id, to_user) references users
);

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['pool_settings', 'pool_rules', 'pool_limits', 'pool_log', 'hand_overs', 'hand_over_parts'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
    foreach t in array array['pool_settings', 'hand_overs'] loop
        execute format('create policy every on %I to crmhub_system using (true)', t);
        execute format('grant select on %I to crmhub_system', t);
    end loop;
end $$;
-- +goose StatementEnd
revoke update, delete on pool_log from crmhub_app;
call guard_rows('pool_rules', 'pool');
call guard_rows('pool_limits', 'pool');
call guard_rows('pool_log', 'pool');

-- The pool as those see it who may: crmhub_app has no way but this to a customer beyond its reach, and the policies of
-- customers know nothing of the pool. It is read as crmhub_lookup, like the search of 0009, and shows what helps to choose a
-- customer and nothing by which to reach it. The question of who may see it is asked once a statement.
grant select (version, pooled_at, name, kind, lifecycle, level, industry, source, tags, last_contact_at, phone, email) on customers to crmhub_lookup;
create view pool with (security_barrier) as
    select c.id, c.version, c.pooled_at, c.name, c.kind, c.lifecycle, c.level, c.industry, c.source, c.tags, c.last_contact_at,
        c.phone is not null as has_phone, c.email is not null as has_email
    from customers c
    where c.organization_id = crmhub_organization() and c.pooled_at is not null and c.deleted_at is null and (select crmhub_whole('pool.read'));
grant select on pool to crmhub_app;
-- +goose StatementBegin
do $$
begin
    execute format('grant create on schema %I to crmhub_lookup', current_schema());
    alter view pool owner to crmhub_lookup;
    execute format('revoke create on schema %I from crmhub_lookup', current_schema());
end $$;
-- +goose StatementEnd

set local role crmhub_system;
call preset_grant('sales_manager', '{pool}', '{read,claim}', 'organization');
call preset_grant('sales', '{pool}', '{read,claim}', 'organization');
reset role;
