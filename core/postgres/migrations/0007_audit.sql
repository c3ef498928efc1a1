-- +goose Up
-- The audit trail: who did what, in an order that cannot be changed unnoticed. core/audit says how it is chained.
--
-- A third role, which cannot log in either, writes it: crmhub_audit inserts and reads, and neither it nor another role of
-- the hub can change or remove what stands there.

-- +goose StatementBegin
do $$
begin
    if not exists (select from pg_roles where rolname = 'crmhub_audit') then
        create role crmhub_audit nologin;
    end if;
exception when duplicate_object or unique_violation then null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
do $$
begin
    if not pg_has_role('crmhub_audit', 'member') then
        execute format('grant crmhub_audit to %I', current_user);
    end if;
end $$;
-- +goose StatementEnd

-- What the trail says of a change, besides the change itself.
--   diff              of an update or deletion: {"field": [before, after]}
--   sealed_elsewhere  it came to this server, by a dump, already sealed but not yet published
alter table outbox
    add column actor            text not null default crmhub_actor(),
    add column diff             json,
    add column sealed_elsewhere boolean not null default false;

-- What somebody did that is no change of an entity, from its commit until it is sealed. Sequence and number are as the
-- outbox's, so that both have one order.
create table audit_acts (
    xid             xid8 not null default crmhub_latest_xid(),
    seq             bigint primary key default nextval('outbox_seq_seq'),
    organization_id uuid not null default crmhub_organization(),
    actor           text not null default crmhub_actor(),
    action          text not null check (action <> ''),
    entity          text not null check (entity <> ''),
    entity_id       uuid,
    version         bigint check (version > 0),
    detail          json,
    created_at      timestamptz not null default now()
);

-- How far the outbox is sealed, as outbox_position says how far it is published. The trail begins with this migration.
--   page  counts the pages sealed: who has read an older one must not write
create table audit_position (
    id          integer primary key default 1 check (id = 1),
    page        bigint not null default 0,
    xid         xid8 not null,
    until       xid8 not null default '0',
    seq         bigint not null default 0,
    highest_seq bigint not null default 0,
    updated_at  timestamptz not null default now()
);
insert into audit_position (xid) select pg_snapshot_xmin(pg_current_snapshot());

-- The trail. No foreign keys: it outlives what it speaks of. `detail` is json, not jsonb: what is hashed is its text.
create table audit_log (
    organization_id uuid not null,
    number          bigint not null,
    at              timestamptz not null,
    actor           text not null,
    action          text not null,
    entity          text not null,
    entity_id       uuid,
    version         bigint check (version > 0),
    detail          json,
    previous_hash   bytea not null,
    hash            bytea not null,
    primary key (organization_id, number)
);
create index audit_log_entity on audit_log (organization_id, entity, entity_id, number);
create index audit_log_at on audit_log (organization_id, at, number);
create index audit_log_actor on audit_log (organization_id, actor, at, number);

-- The last entry of each trail, signed with the installation's key.
create table audit_heads (
    organization_id uuid primary key,
    number          bigint not null,
    hash            bytea not null,
    signature       bytea not null,
    updated_at      timestamptz not null default now()
);

-- Rights keep the hub's roles from changing the trail. This keeps the owner from doing so by accident.
-- +goose StatementBegin
create function audit_log_is_append_only() returns trigger language plpgsql as $$
begin
    raise insufficient_privilege using message = 'the audit trail is append-only';
end $$;
-- +goose StatementEnd
create trigger append_only before update or delete or truncate on audit_log
    for each statement execute function audit_log_is_append_only();

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['audit_acts', 'audit_log', 'audit_heads'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('create policy every on %I to crmhub_audit using (true)', t);
    end loop;
end $$;
-- +goose StatementEnd
create policy every_system on audit_acts to crmhub_system using (true);
create policy every_audit on outbox to crmhub_audit using (true);
grant usage on sequence outbox_seq_seq to crmhub_app, crmhub_system;
grant insert on audit_acts to crmhub_app, crmhub_system;
grant select, update (xid) on audit_acts to crmhub_system;
grant select, delete on audit_acts to crmhub_audit;
grant select on outbox to crmhub_audit;
grant update (sealed_elsewhere) on outbox to crmhub_system;
grant select, update on audit_position to crmhub_audit, crmhub_system;
grant select on audit_log, audit_heads to crmhub_app;
grant select, insert on audit_log to crmhub_audit;
grant select, insert, update on audit_heads to crmhub_audit;
