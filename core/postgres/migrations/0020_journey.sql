-- +goose Up
-- The journey of a record: what happened to it across systems. Most of it is kept elsewhere (audit trail, links, dead
-- letters, conflicts); here is what nothing else keeps.

-- Where a change was published. The topic follows from the organization and the entity.
--   at  when it was handed to the broker
create table publications (
    organization_id uuid not null,
    entity          text not null,
    entity_id       uuid not null,
    version         bigint not null,
    partition       integer not null,
    position        bigint not null,
    seq             bigint generated always as identity,
    at              timestamptz not null
);
create index publications_entity on publications (organization_id, entity_id, seq);
create index publications_at on publications using brin (at);

-- What was said to a remote about an entity and what it answered, and what came of it. It only grows, and is pruned by age;
-- without foreign keys, since it outlives what it speaks of.
--   version    of the entity: that was sent, or that the record became
--   op         create, update or delete; null where nothing was sent
--   outcome    of a push: linked, parked, waiting, unknown, failed or released; of a pull: created, updated, unchanged or failed
--   exchanges  the requests and answers, bounded, without secrets
create table exchanges (
    organization_id uuid not null default crmhub_organization(),
    entity          text not null,
    entity_id       uuid not null,
    seq             bigint generated always as identity,
    at              timestamptz not null default now(),
    connection_id   uuid not null,
    run_id          uuid,
    direction       text not null check (direction in ('push', 'pull')),
    version         bigint not null,
    op              text,
    outcome         text not null,
    remote_id       text,
    mapping_version text,
    cause           json,
    exchanges       json
);
create index exchanges_entity on exchanges (organization_id, entity_id, seq);
create index exchanges_at on exchanges using brin (at);

-- By these the journey finds an entity's letters, open and closed, and its settled conflicts.
create index dead_letters_entity on dead_letters (organization_id, entity_id) where entity_id is not null;
create index dead_letters_remote on dead_letters (organization_id, remote_id, connection_id) where entity_id is null;
create index conflicts_entity on conflicts (organization_id, entity_id);

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['publications', 'exchanges'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('create policy every on %I to crmhub_system using (true)', t);
        execute format('grant select, delete on %I to crmhub_system', t);
        execute format('grant select on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd
grant insert on publications to crmhub_system;
grant insert on exchanges to crmhub_app;
