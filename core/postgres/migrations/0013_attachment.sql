-- +goose Up
-- Files that belong to entities: a signed contract, a photograph of what is broken.

create table attachments (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    entity          text not null,
    entity_id       uuid not null,
    name            text not null check (name <> ''),
    media_type      text not null,
    size            bigint not null,
    sha256          text not null,
    created_at      timestamptz not null default now(),
    created_by      text not null default crmhub_actor(),
    primary key (organization_id, id)
);
create index attachments_entity on attachments (organization_id, entity, entity_id, id);

-- The bytes. Most files are compressed already.
create table attachment_chunks (
    organization_id uuid not null default crmhub_organization(),
    attachment_id   uuid not null,
    seq             integer not null,
    data            bytea not null,
    primary key (organization_id, attachment_id, seq),
    foreign key (organization_id, attachment_id) references attachments on delete cascade
);
alter table attachment_chunks alter column data set storage external;

-- Does the transaction reach an entity of whatever kind with an action: read or change? It is asked for the few files of one
-- entity, never for a list of entities.
-- +goose StatementBegin
create function crmhub_reaches(kind text, id uuid, action text) returns boolean
    language plpgsql stable set search_path from current as $$
declare
    wanted text := kind || '.' || action;
    kept_in text := case when kind = 'feedback' then kind when kind like '%y' then left(kind, -1) || 'ies' else kind || 's' end;
    reached boolean := crmhub_whole(wanted);
    found boolean;
begin
    if not reached and not exists (
        select from pg_attribute a where a.attrelid = to_regclass(quote_ident(kept_in)) and a.attname = 'owner_id' and not a.attisdropped)
    then
        return false; -- rows without owners are reached all or none
    end if;
    execute format('select exists (select from %I p where p.id = $1 %s)', kept_in,
        case when not reached then 'and p.owner_id in (select o from crmhub_owners($2) o)' end) into found using id, wanted;
    return found;
end $$;
-- +goose StatementEnd

-- Files are reached as what they belong to: who reads it reads them, who changes it adds and deletes them.
-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['attachments', 'attachment_chunks'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
    end loop;
end $$;
-- +goose StatementEnd
grant select, insert, update, delete on attachments to crmhub_app;
grant select, insert on attachment_chunks to crmhub_app;
create policy reach_select on attachments as restrictive for select to crmhub_app using (crmhub_reaches(entity, entity_id, 'read'));
create policy reach_insert on attachments as restrictive for insert to crmhub_app with check (crmhub_reaches(entity, entity_id, 'change'));
create policy reach_update on attachments as restrictive for update to crmhub_app using (crmhub_reaches(entity, entity_id, 'change'));
create policy reach_delete on attachments as restrictive for delete to crmhub_app using (crmhub_reaches(entity, entity_id, 'change'));
create policy reach_select on attachment_chunks as restrictive for select to crmhub_app
    using (exists (select from attachments a where a.id = attachment_id));
create policy reach_insert on attachment_chunks as restrictive for insert to crmhub_app
    with check (exists (select from attachments a where a.id = attachment_id and crmhub_reaches(a.entity, a.entity_id, 'change')));

-- The files that a merge moved.
alter table merge_log add column attachments uuid[] not null default '{}';

-- A file may show what a rule hides: who sees only a part of a record does not see its files.
set local role crmhub_system;
-- +goose StatementBegin
do $$
declare r text;
begin
    foreach r in array array['customer', 'contact', 'order', 'invoice', 'payment', 'opportunity', 'contract'] loop
        call preset_field('integrator', r, '{attachments}', 'hidden');
    end loop;
    foreach r in array array['customer', 'contact'] loop
        call preset_field('marketing', r, '{attachments}', 'hidden');
    end loop;
    call preset_field('service', 'order', '{attachments}', 'hidden');
end $$;
-- +goose StatementEnd
reset role;
