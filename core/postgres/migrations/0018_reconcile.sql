-- +goose Up
-- Reconciliation: both sides compared, what differs, and what was decided about it. And links that a person took apart.

alter table links drop constraint links_state_check;
alter table links add constraint links_state_check
    check (state in ('pending', 'sending', 'unknown', 'linked', 'parked', 'waiting', 'failed', 'unlinked')) not valid; -- the old ones are among them

alter table jobs drop constraint jobs_kind_check;
alter table jobs add constraint jobs_kind_check check (kind in ('pull', 'push', 'reconcile')) not valid;

-- One comparison of one kind of entity on one connection. counts and sums are those of its end.
create table reconciliations (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    connection_id   uuid not null,
    run_id          uuid not null,
    entity          text not null,
    verdict         text not null default 'running' check (verdict in ('running', 'equal', 'differs', 'suspect', 'failed', 'cancelled')),
    message         text,
    mapping_version text not null,
    counts          jsonb not null default '{}',
    sums            jsonb not null default '[]',
    started_at      timestamptz not null default now(),
    started_by      text not null default crmhub_actor(),
    finished_at     timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, connection_id) references connections on delete cascade
);
create unique index reconciliations_run on reconciliations (organization_id, run_id);
create index reconciliations_stream on reconciliations (organization_id, connection_id, entity, id desc);

-- What differs. record is the record as it was read, so that it can be brought in; digest is equal for the same difference in
-- another reconciliation, where it stays ignored.
create table differences (
    organization_id   uuid not null default crmhub_organization(),
    id                uuid not null,
    reconciliation_id uuid not null,
    kind              text not null check (kind in ('missing_here', 'missing_there', 'different', 'unlinked', 'duplicate', 'unreadable')),
    entity_id         uuid,
    remote_id         text,
    title             text,
    message           text,
    fields            jsonb not null default '[]',
    ours              jsonb,
    theirs            jsonb,
    record            jsonb,
    digest            bytea,
    state             text not null default 'open' check (state in ('open', 'mended', 'ignored')),
    action            text check (action in ('push', 'pull', 'link', 'unlink', 'ignore')),
    reason            text,
    found_at          timestamptz not null default now(),
    changed_at        timestamptz,
    changed_by        text,
    primary key (organization_id, id),
    foreign key (organization_id, reconciliation_id) references reconciliations on delete cascade
);
create index differences_list on differences (organization_id, reconciliation_id, id);
create index differences_entity on differences (organization_id, reconciliation_id, entity_id) where entity_id is not null;
create index differences_digest on differences (organization_id, digest) where state = 'ignored';

-- The records that a reconciliation on its way has read. It begins anew when it is cut off, so they need not outlive a crash.
create unlogged table reconciled_records (
    organization_id   uuid not null default crmhub_organization(),
    reconciliation_id uuid not null,
    remote_id         text not null,
    primary key (organization_id, reconciliation_id, remote_id)
);

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['reconciliations', 'differences', 'reconciled_records'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd
