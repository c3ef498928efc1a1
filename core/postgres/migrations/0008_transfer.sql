-- +goose Up
-- Files that come in (imports) and go out (exports), and what is done with them in the background.
--
-- A task is claimed like a run: by the number of a worker, which counts while that worker lives. A status that ends in
-- -ing is a task; without a worker it waits for one.

-- One file that came in.
--   form, columns, defaults, mode, match_by, group_by   how its rows become entities; see package transfer
--   actor      who asked for what is going on, and as whom it is done
--   position   rows whose outcome is committed: a run goes on behind them
--   staged     the rows of a grouped file are all in import_rows
--   preview    what the first rows come to
--   repeats    an earlier import of the same bytes
create table imports (
    organization_id  uuid not null default crmhub_organization() references organizations,
    id               uuid not null,
    entity           text not null,
    name             text not null,
    size             bigint not null default 0,
    lines            bigint not null default 0,
    sha256           text,
    form             jsonb,
    columns          jsonb not null default '[]',
    defaults         jsonb not null default '{}',
    mode             text not null default 'both' check (mode in ('create', 'update', 'both')),
    match_by         text[] not null default '{}',
    group_by         text not null default '',
    status           text not null default 'uploading'
                     check (status in ('uploading', 'uploaded', 'previewing', 'previewed', 'running', 'done', 'cancelled', 'failed', 'undoing', 'undone')),
    worker           integer,
    cancel_requested boolean not null default false,
    actor            text not null default crmhub_actor(),
    position         bigint not null default 0,
    staged           boolean not null default false,
    rows             bigint not null default 0,
    created          bigint not null default 0,
    updated          bigint not null default 0,
    unchanged        bigint not null default 0,
    duplicate        bigint not null default 0,
    refused          bigint not null default 0,
    undone           bigint not null default 0,
    kept             bigint not null default 0,
    preview          jsonb,
    repeats          uuid,
    error            text,
    created_at       timestamptz not null default now(),
    created_by       text not null default crmhub_actor(),
    started_at       timestamptz,
    progress_at      timestamptz not null default now(),
    finished_at      timestamptz,
    primary key (organization_id, id)
);
create index imports_sha256 on imports (organization_id, sha256, entity) where sha256 is not null;
create index imports_open on imports (progress_at) where status in ('uploading', 'previewing', 'running', 'undoing');

-- The bytes of files. They are compressed or random already, or not worth the time.
create table import_chunks (
    organization_id uuid not null default crmhub_organization(),
    import_id       uuid not null,
    seq             integer not null,
    data            bytea not null,
    primary key (organization_id, import_id, seq),
    foreign key (organization_id, import_id) references imports on delete cascade
);
alter table import_chunks alter column data set storage external;

-- The rows of a file of which several make one entity, until they have. Cells are kept as they came, broken ones too.
create table import_rows (
    organization_id uuid not null default crmhub_organization(),
    import_id       uuid not null,
    key             text collate "C" not null,
    row             bigint not null,
    cells           bytea not null,
    primary key (organization_id, import_id, key, row),
    foreign key (organization_id, import_id) references imports on delete cascade
);

-- What an import wrote: the version it made of an entity and, where it updated, what was there before.
--   outcome  null; once undone: deleted, restored, or kept for a reason
create table import_effects (
    organization_id uuid not null default crmhub_organization(),
    import_id       uuid not null,
    entity_id       uuid not null,
    row             bigint not null,
    version         bigint not null,
    before          jsonb,
    outcome         text,
    primary key (organization_id, import_id, entity_id)
);

-- The rows that did not go in, as they were, and why.
create table import_refusals (
    organization_id uuid not null default crmhub_organization(),
    import_id       uuid not null,
    row             bigint not null,
    cells           jsonb not null,
    violations      jsonb not null,
    primary key (organization_id, import_id, row)
);

-- One list that goes out.
create table exports (
    organization_id  uuid not null default crmhub_organization() references organizations,
    id               uuid not null,
    entity           text not null,
    query            jsonb not null,
    columns          text[] not null,
    format           text not null check (format in ('csv', 'xlsx')),
    status           text not null default 'running' check (status in ('running', 'done', 'cancelled', 'failed')),
    worker           integer,
    cancel_requested boolean not null default false,
    actor            text not null default crmhub_actor(),
    rows             bigint not null default 0,
    size             bigint not null default 0,
    error            text,
    created_at       timestamptz not null default now(),
    created_by       text not null default crmhub_actor(),
    progress_at      timestamptz not null default now(),
    finished_at      timestamptz,
    expires_at       timestamptz,
    primary key (organization_id, id)
);
create index exports_open on exports (progress_at) where status = 'running';
create index exports_expired on exports (expires_at) where expires_at is not null;

create table export_chunks (
    organization_id uuid not null default crmhub_organization(),
    export_id       uuid not null,
    seq             integer not null,
    data            bytea not null,
    primary key (organization_id, export_id, seq),
    foreign key (organization_id, export_id) references exports on delete cascade
);
alter table export_chunks alter column data set storage external;

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['imports', 'import_chunks', 'import_rows', 'import_effects', 'import_refusals', 'exports', 'export_chunks'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
    foreach t in array array['imports', 'exports'] loop
        execute format('create policy every on %I to crmhub_system using (true)', t);
        execute format('grant select, update, delete on %I to crmhub_system', t);
    end loop;
end $$;
-- +goose StatementEnd
