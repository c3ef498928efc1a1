-- +goose Up
-- An organization's own versions of the mappings that are shipped with the hub. What is shipped is number 0 and not here.
--   hash      identifies the text, as links' letters and journeys name it
--   examples  cases that must hold, as the file beside a shipped mapping has them
create table mapping_versions (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    connection_id   uuid not null,
    entity          text not null,
    number          integer not null check (number > 0),
    status          text not null default 'draft' check (status in ('draft', 'tested', 'live', 'retired', 'rolled_back')),
    mapping         text not null,
    examples        json,
    hash            text not null,
    note            text not null default '',
    created_at      timestamptz not null default now(),
    created_by      text not null default crmhub_actor(),
    tested_at       timestamptz,
    published_at    timestamptz,
    published_by    text,
    retired_at      timestamptz,
    primary key (organization_id, id),
    unique (organization_id, connection_id, entity, number),
    foreign key (organization_id, connection_id) references connections on delete cascade
);
create unique index mapping_versions_live on mapping_versions (organization_id, connection_id, entity) where status = 'live';

alter table mapping_versions enable row level security;
alter table mapping_versions force row level security;
create policy own on mapping_versions to crmhub_app using (organization_id = crmhub_organization());
create policy every on mapping_versions to crmhub_system using (true);
grant select, insert, update on mapping_versions to crmhub_app;
grant select on mapping_versions to crmhub_system;
