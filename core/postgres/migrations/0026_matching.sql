-- +goose Up
-- Initial matching: both sides hold data already, and somebody says which record is which entity.

alter table jobs drop constraint jobs_kind_check;
alter table jobs add constraint jobs_kind_check check (kind in ('pull', 'push', 'reconcile', 'match')) not valid; -- the old ones are among them

-- One reading of a stream's records that are linked with nothing.
create table matchings (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    connection_id   uuid not null,
    run_id          uuid not null,
    entity          text not null,
    status          text not null default 'queued' check (status in ('queued', 'running', 'finished', 'failed', 'cancelled')),
    accept_certain  boolean not null default false,
    message         text,
    read            bigint not null default 0,
    known           bigint not null default 0,
    started_at      timestamptz not null default now(),
    started_by      text not null default crmhub_actor(),
    finished_at     timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, connection_id) references connections on delete cascade
);
create unique index matchings_run on matchings (organization_id, run_id);
create index matchings_stream on matchings (organization_id, connection_id, entity, id desc);

-- A record and what may be its entity. As long as it is open no pull takes the record in, so it is kept here, as the last pull had
-- it; theirs is the record as an entity's document. Both go when somebody has decided.
create table proposals (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    matching_id     uuid not null,
    connection_id   uuid not null,
    entity          text not null,
    remote_id       text not null,
    title           text,
    theirs          jsonb,
    record          jsonb,
    message         text,
    class           text not null check (class in ('certain', 'review', 'none', 'unreadable')),
    score           integer not null default 0,
    state           text not null default 'open' check (state in ('open', 'linked', 'created', 'gone')),
    entity_id       uuid,
    found_at        timestamptz not null default now(),
    changed_at      timestamptz,
    changed_by      text,
    primary key (organization_id, id),
    foreign key (organization_id, matching_id) references matchings on delete cascade
);
create unique index proposals_open on proposals (organization_id, connection_id, entity, remote_id) where state = 'open';
create index proposals_list on proposals (organization_id, matching_id, state, class, score desc, id desc);

-- The entities that an open proposal's record may be. A push creates nothing for them meanwhile.
create table proposal_candidates (
    organization_id uuid not null default crmhub_organization(),
    proposal_id     uuid not null,
    connection_id   uuid not null,
    entity          text not null,
    entity_id       uuid not null,
    score           integer not null,
    reasons         jsonb not null,
    primary key (organization_id, proposal_id, entity_id),
    foreign key (organization_id, proposal_id) references proposals on delete cascade
);
create index proposal_candidates_entity on proposal_candidates (organization_id, connection_id, entity, entity_id);

-- An entity and a record of which somebody said that they are two.
create table rejected_pairs (
    organization_id uuid not null default crmhub_organization(),
    connection_id   uuid not null,
    entity          text not null,
    remote_id       text not null,
    entity_id       uuid not null,
    rejected_at     timestamptz not null default now(),
    rejected_by     text not null default crmhub_actor(),
    primary key (organization_id, connection_id, entity, remote_id, entity_id),
    foreign key (organization_id, connection_id) references connections on delete cascade
);

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['matchings', 'proposals', 'proposal_candidates', 'rejected_pairs'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd
