-- +goose Up
-- How the records of a stream look, and where they look other than before.

-- One profile a stream: which places records have, with which types, how often. No values.
create table drift_profiles (
    organization_id uuid not null default crmhub_organization(),
    connection_id   uuid not null,
    entity          text not null,
    record          text not null,
    profile         jsonb not null,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    primary key (organization_id, connection_id, entity),
    foreign key (organization_id, connection_id) references connections on delete cascade
);

-- What is other. Opened when it is first seen, resolved when it came no more for a while.
--   rule     of the mapping that reads the place, as file and line; null: none does
--   count    how often it came, at least, of how many times it could have
--   clean    how many times in a row it could have come and did not
--   codes    hashes of the new codes
--   run_id   the run that saw it first
create table drift_findings (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    connection_id   uuid not null,
    entity          text not null,
    record          text not null,
    kind            text not null check (kind in ('new_field', 'missing_field', 'new_type', 'new_code', 'longer_text', 'more_decimals')),
    pointer         text not null,
    rule            text,
    detail          jsonb not null default '{}',
    codes           text[] not null default '{}',
    count           bigint not null,
    of              bigint not null,
    clean           bigint not null default 0,
    run_id          uuid not null,
    opened_at       timestamptz not null default now(),
    seen_at         timestamptz not null default now(),
    resolved_at     timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note            text,
    primary key (organization_id, id),
    foreign key (organization_id, connection_id) references connections on delete cascade
);
create unique index drift_findings_open on drift_findings (organization_id, connection_id, entity, kind, pointer) where resolved_at is null;
create index drift_findings_list on drift_findings (organization_id, connection_id, opened_at desc, id desc);

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['drift_profiles', 'drift_findings'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd

-- A journey finds the differences of an entity, and those of its record.
create index differences_of on differences (organization_id, entity_id) where entity_id is not null;
create index differences_record on differences (organization_id, remote_id) where remote_id is not null and entity_id is null;
