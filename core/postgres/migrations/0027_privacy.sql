-- +goose Up
-- Privacy: which custom fields are personal, and what was erased at somebody's request.

alter table custom_fields add column is_personal boolean not null default false;

-- One request, carried out.
--   counts  how much was erased, by kind of entity and by what else held something of them
--   kept    how many documents stay as they are, by kind
create table erasures (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    entity          text not null check (entity in ('customer', 'contact')),
    entity_id       uuid not null,
    reason          text not null check (reason <> ''),
    counts          jsonb not null default '{}',
    kept            jsonb not null default '{}',
    created_at      timestamptz not null default now(),
    created_by      text not null default crmhub_actor(),
    primary key (organization_id, id)
);
create index erasures_recent on erasures (organization_id, id desc);
create index erasures_entity on erasures (organization_id, entity_id);

-- What is erased. version is the first without the data: a connection that has it has been told. Other systems do not bring
-- the data back as long as it stands here.
create table erased (
    organization_id uuid not null default crmhub_organization() references organizations,
    entity          text not null,
    entity_id       uuid not null,
    erasure_id      uuid not null,
    version         bigint not null,
    primary key (organization_id, entity_id, entity),
    foreign key (organization_id, erasure_id) references erasures
);
create index erased_erasure on erased (organization_id, erasure_id);

-- The party as its issued invoices name it, kept for them alone once the customer is erased.
create table kept_parties (
    organization_id uuid not null default crmhub_organization() references organizations,
    customer_id     uuid not null,
    party           jsonb not null,
    kept_at         timestamptz not null default now(),
    primary key (organization_id, customer_id)
);

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['erasures', 'erased', 'kept_parties'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('grant select, insert, update on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd

-- The trail: what is hashed is no longer an entry's detail but its salted digest, so that the detail can leave and the chain
-- still holds. Entries without a digest have none, or were sealed before this migration over the detail itself.
--   erased_at  when detail and salt left; an entry of the trail says so, too
alter table audit_log
    add column salt      bytea,
    add column digest    bytea,
    add column erased_at timestamptz;
grant select on audit_acts to crmhub_app;

-- A role of its own takes data out of what no other may change: histories, the outbox, the trail. Like the others it cannot log in.
-- +goose StatementBegin
do $$
begin
    if not exists (select from pg_roles where rolname = 'crmhub_eraser') then
        create role crmhub_eraser nologin;
    end if;
exception when duplicate_object or unique_violation then null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
do $$
begin
    if not pg_has_role('crmhub_eraser', 'member') then
        execute format('grant crmhub_eraser to %I', current_user);
    end if;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['outbox', 'audit_log', 'audit_acts', 'exchanges', 'campaign_events', 'pool_log'] loop
        execute format('create policy erase on %I to crmhub_eraser using (organization_id = crmhub_organization())', t);
        execute format('grant select on %I to crmhub_eraser', t);
    end loop;
end $$;
-- +goose StatementEnd
grant update (data, diff) on outbox to crmhub_eraser;
grant update (detail, salt, erased_at) on audit_log to crmhub_eraser;
grant update (detail) on audit_acts to crmhub_eraser;
grant update (exchanges, cause) on exchanges to crmhub_eraser;
grant update (detail) on campaign_events to crmhub_eraser;
grant update (reason) on pool_log to crmhub_eraser;
-- The sealer must not write a page that it read before the data left: its position moves with the erasure.
grant select, update (page) on audit_position to crmhub_eraser;

-- The eraser takes the detail of an entry out, and nothing else changes; nobody else changes anything.
-- +goose StatementBegin
create or replace function audit_log_is_append_only() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and current_user = 'crmhub_eraser' then
        return null;
    end if;
    raise insufficient_privilege using message = 'the audit trail is append-only';
end $$;
-- +goose StatementEnd


-- What keeps a text without saying of whom it is looked through for the texts by which somebody is known.
create function crmhub_says(said text, hidden text[]) returns boolean language sql immutable parallel safe
    return said is not null and exists (select from unnest(hidden) h where position(h in said) > 0);
create function crmhub_holds(said bytea, hidden text[]) returns boolean language sql stable parallel safe
    return said is not null and exists (select from unnest(hidden) h where position(convert_to(h, 'UTF8') in said) > 0);
-- +goose StatementBegin
create function crmhub_scrub(said text, hidden text[]) returns text language plpgsql immutable parallel safe as $$
declare h text;
begin
    foreach h in array hidden loop
        said := replace(said, h, '•••');
    end loop;
    return said;
end $$;
-- +goose StatementEnd
