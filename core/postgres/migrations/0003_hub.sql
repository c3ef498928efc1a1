-- +goose Up
-- The hub: what leaves (outbox), whom it goes to (connections), what corresponds to what (links),
-- what runs (jobs, runs, cursors) and what a person must look at (dead letters, conflicts).

-- The highest number that any transaction has got, the caller's own among them.
create function crmhub_latest_xid() returns xid8 language sql volatile parallel unsafe
    return greatest(pg_current_xact_id(), (pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)::text::xid8);

-- One row a committed change, written in the transaction that changed the entity.
-- `xid` lets the relay wait for late commits: it publishes only below the oldest running transaction. It is the highest
-- number a transaction had got by the time of the row, the row's own or a later one: whoever changes an entity may have
-- got his number before somebody who changed it first, and must not be published before him.
create table outbox (
    xid             xid8 not null default crmhub_latest_xid(),
    seq             bigint generated always as identity,
    organization_id uuid not null default crmhub_organization(),
    event_id        uuid not null,
    entity          text not null,
    entity_id       uuid not null,
    version         bigint not null,
    type            text not null check (type in ('created', 'updated', 'deleted')),
    origin          text not null,
    traceparent     text,
    data            json not null,
    created_at      timestamptz not null default now(),
    primary key (xid, seq)
);
create unique index outbox_seq on outbox (seq);

-- How far the relay has published. On its topic is everything with a transaction below xid and, of those from xid to
-- below until, everything up to seq.
--   highest_seq  the highest seq ever published, by which a database restored on another server finds its way
--   term         grows when somebody takes the lead or moves the position back; who has an older one must stop
create table outbox_position (
    id          integer primary key default 1 check (id = 1),
    xid         xid8 not null default '0',
    until       xid8 not null default '0',
    seq         bigint not null default 0,
    highest_seq bigint not null default 0,
    term        bigint not null default 0,
    updated_at  timestamptz not null default now()
);
insert into outbox_position default values;

-- Where the partitions of the topics ended when the position last moved. One that ends earlier has lost what was published.
create table outbox_ends (
    topic       text not null,
    partition   integer not null,
    next_offset bigint not null,
    primary key (topic, partition)
);

create table connections (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null default 1,
    code            text not null check (code ~ '^[a-z][a-z0-9-]{0,40}$'),
    name            text not null check (name <> ''),
    connector       text not null,
    config          jsonb not null default '{}',
    secrets         bytea,
    status          text not null default 'active' check (status in ('active', 'paused')),
    created_at      timestamptz not null default now(),
    created_by      text not null default crmhub_actor(),
    updated_at      timestamptz not null default now(),
    updated_by      text not null default crmhub_actor(),
    primary key (organization_id, id),
    unique (organization_id, code)
);

-- The crosswalk. One row an entity and connection, or a record and connection.
--   wanted_version  the newest version of the entity known to be wanted on the other side
--   synced_version  the version both sides last agreed on (0: never)
--   snapshot        the entity's mapped fields as last agreed: the base of the three-way merge
--   record_digest   digest of the record as last sent, to skip what would change nothing
--   worker          the process that has a call in flight; see AsWorker of package postgres
--   sent_at         when that call was announced: an outcome still unknown is looked up before anything is created
--   next_attempt_at when the engine takes it up again; null: nothing to do
create table links (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    connection_id   uuid not null,
    entity          text not null,
    entity_id       uuid not null,
    remote_id       text,
    remote_version  text,
    reference       text,
    state           text not null default 'pending' check (state in ('pending', 'sending', 'unknown', 'linked', 'parked', 'waiting', 'failed')),
    wanted_version  bigint not null default 0,
    synced_version  bigint not null default 0,
    snapshot        jsonb,
    record_digest   bytea,
    worker          integer,
    sent_at         timestamptz,
    waits_on_entity text,
    waits_on_id     uuid,
    attempts        integer not null default 0,
    next_attempt_at timestamptz,
    cause           jsonb,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    primary key (organization_id, id),
    foreign key (organization_id, connection_id) references connections on delete cascade,
    unique (organization_id, entity_id, entity, connection_id)
);
-- Here and above the column that tells rows apart comes first: any other column alone would look good enough to the
-- planner as long as the table has no statistics, and most rows of a first load share it.
create unique index links_remote on links (organization_id, remote_id, connection_id, entity) where remote_id is not null;
create index links_due on links (organization_id, connection_id, next_attempt_at) where next_attempt_at is not null;
create index links_waiting on links (organization_id, connection_id, waits_on_entity, waits_on_id) where waits_on_id is not null;

create table jobs (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    connection_id   uuid not null,
    name            text not null check (name <> ''),
    kind            text not null check (kind in ('pull', 'push')),
    entity          text not null,
    schedule        text,
    time_zone       text not null default 'UTC',
    status          text not null default 'active' check (status in ('active', 'paused')),
    next_run_at     timestamptz,
    created_at      timestamptz not null default now(),
    created_by      text not null default crmhub_actor(),
    updated_at      timestamptz not null default now(),
    primary key (organization_id, id),
    unique (organization_id, connection_id, kind, entity),
    foreign key (organization_id, connection_id) references connections on delete cascade
);
create index jobs_due on jobs (next_run_at) where status = 'active' and next_run_at is not null;

-- One execution of a job. At most one of a job is queued and at most one runs.
create table runs (
    organization_id  uuid not null default crmhub_organization(),
    id               uuid not null,
    job_id           uuid not null,
    cause            text not null check (cause in ('schedule', 'manual', 'resume')),
    status           text not null default 'queued' check (status in ('queued', 'running', 'succeeded', 'suspect', 'failed', 'cancelled')),
    worker           integer,
    cancel_requested boolean not null default false,
    read             bigint not null default 0,
    created          bigint not null default 0,
    updated          bigint not null default 0,
    unchanged        bigint not null default 0,
    failed           bigint not null default 0,
    expected         bigint,
    error            jsonb,
    queued_at        timestamptz not null default now(),
    queued_by        text not null default crmhub_actor(),
    started_at       timestamptz,
    progress_at      timestamptz,
    finished_at      timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, job_id) references jobs on delete cascade
);
create unique index runs_queued on runs (organization_id, job_id) where status = 'queued';
create unique index runs_running on runs (organization_id, job_id) where status = 'running';
create index runs_job on runs (organization_id, job_id, queued_at desc);
create index runs_open on runs (queued_at) where status in ('queued', 'running');
create index runs_finished on runs (finished_at) where finished_at is not null;

-- How far a pull has come; moved in the transaction that stores the page it belongs to.
--   cursor        where to go on; null: at the beginning
--   volume        records read since the beginning
--   usual_volume  records of the last whole pass, to notice one that finds far less
create table cursors (
    organization_id uuid not null default crmhub_organization(),
    connection_id   uuid not null,
    entity          text not null,
    cursor          jsonb,
    volume          bigint not null default 0,
    usual_volume    bigint,
    updated_at      timestamptz not null default now(),
    primary key (organization_id, connection_id, entity),
    foreign key (organization_id, connection_id) references connections on delete cascade
);

create table dead_letters (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    connection_id   uuid not null,
    run_id          uuid,
    direction       text not null check (direction in ('push', 'pull')),
    entity          text not null,
    entity_id       uuid,
    remote_id       text,
    stage           text not null check (stage in ('schema', 'mapping', 'merge', 'store', 'remote')),
    class           text not null,
    message         text not null,
    violations      jsonb not null default '[]',
    payload         jsonb,
    mapping_version text,
    fingerprint     text not null,
    attempts        integer not null default 1,
    status          text not null default 'open' check (status in ('open', 'resolved', 'dismissed')),
    reason          text,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    closed_at       timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, connection_id) references connections on delete cascade
);
-- The same thing failing again is the same dead letter, with one more attempt.
create unique index dead_letters_open on dead_letters
    (organization_id, connection_id, direction, entity, coalesce(case when direction = 'push' then entity_id::text else remote_id end, ''))
    where status = 'open';
create index dead_letters_recent on dead_letters (organization_id, status, updated_at desc, id desc);

-- A field changed on both sides that the mapping leaves to a person.
create table conflicts (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    connection_id   uuid not null,
    entity          text not null,
    entity_id       uuid not null,
    field           text not null,
    base            jsonb,
    ours            jsonb,
    theirs          jsonb,
    status          text not null default 'open' check (status in ('open', 'ours', 'theirs')),
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    settled_by      text,
    primary key (organization_id, id),
    foreign key (organization_id, connection_id) references connections on delete cascade
);
create unique index conflicts_open on conflicts (organization_id, connection_id, entity, entity_id, field) where status = 'open';

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['outbox', 'connections', 'links', 'jobs', 'runs', 'cursors', 'dead_letters', 'conflicts'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('create policy every on %I to crmhub_system using (true)', t);
    end loop;
    foreach t in array array['connections', 'links', 'jobs', 'runs', 'cursors', 'dead_letters', 'conflicts'] loop
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd
grant insert on outbox to crmhub_app;
grant select, update (xid), delete on outbox to crmhub_system;
grant select, update on outbox_position to crmhub_system;
grant select, insert, update, delete on outbox_ends to crmhub_system;
grant select on connections to crmhub_system;
grant select, update on jobs, runs to crmhub_system;
grant insert, delete on runs to crmhub_system;
