-- +goose Up
-- Jobs that say what becomes of times they miss; runs that pause, wait for each other, tell what they did, bring in a
-- range or replay; and what holds a connection's calls back while its system is away.

-- What people decide of a job:
--   overlap         what a due time does while the last run has not ended
--   jitter_seconds  the job's own delay is below it: all of a minute's jobs would else begin in the same second
--   misfire         what becomes of times that passed while nobody looked
alter table jobs
    add overlap        text not null default 'skip' check (overlap in ('skip', 'queue', 'cancel_old')),
    add jitter_seconds integer not null default 0 check (jitter_seconds between 0 and 3600),
    add misfire        text not null default 'once' check (misfire in ('none', 'once', 'all'));

-- A run of the job waits while one of `after_id` is queued or executes.
create table job_order (
    organization_id uuid not null default crmhub_organization(),
    job_id          uuid not null,
    after_id        uuid not null check (after_id <> job_id),
    primary key (organization_id, job_id, after_id),
    foreign key (organization_id, job_id) references jobs on delete cascade,
    foreign key (organization_id, after_id) references jobs on delete cascade
);
create index job_order_after on job_order (organization_id, after_id);

--   purpose       what the run is for: the job's regular work, a range once more, or dead letters once more
--   request       what was asked for: the range of a backfill, which letters to replay
--   position      how far a run has come that has a place of its own (a regular pull's is in cursors)
--   due_at        the scheduled time that the run is for
--   believe       a person said that less than usual is right
--   verdict       what a person said of a suspect run
--   estimate      how many the last run read, where the other side does not say what to expect
--   claimed_at    when its worker began, and claimed_read how many had been read by then: its pace is since then
alter table runs
    add purpose         text not null default 'regular' check (purpose in ('regular', 'backfill', 'replay')),
    add request         jsonb,
    add position        jsonb,
    add due_at          timestamptz,
    add pause_requested boolean not null default false,
    add believe         boolean not null default false,
    add verdict         text check (verdict in ('accepted', 'discarded')),
    add verdict_by      text,
    add estimate        bigint,
    add claimed_at      timestamptz,
    add claimed_read    bigint not null default 0,
    drop constraint runs_status_check,
    add constraint runs_status_check
        check (status in ('queued', 'running', 'paused', 'succeeded', 'suspect', 'failed', 'cancelled'));

-- A fresh regular run waits alone; beside it those that go on after a pause, and any number of backfills and replays.
drop index runs_queued;
create unique index runs_queued on runs (organization_id, job_id)
    where status = 'queued' and purpose = 'regular' and started_at is null;
-- Letters are replayed beside a pull: the lock of its stream lets one write at a time.
drop index runs_running;
create unique index runs_running on runs (organization_id, job_id) where status = 'running' and purpose <> 'replay';
drop index runs_open;
create index runs_open on runs (organization_id, job_id, queued_at) where status in ('queued', 'running', 'paused');

-- What a run did, line by line, for people. Their number is bounded; dead letters have every cause.
create table run_lines (
    organization_id uuid not null default crmhub_organization(),
    run_id          uuid not null,
    seq             bigint generated always as identity,
    at              timestamptz not null default clock_timestamp(),
    level           text not null check (level in ('info', 'warn', 'error')),
    message         text not null,
    entity_id       uuid,
    remote_id       text,
    primary key (organization_id, run_id, seq),
    foreign key (organization_id, run_id) references runs on delete cascade
);

-- Letters of one cause, to be counted and replayed.
create index dead_letters_cause on dead_letters (organization_id, fingerprint, id) where status = 'open';
create index dead_letters_stream on dead_letters (organization_id, connection_id, direction, entity, id) where status = 'open';

-- A connection that fails as a whole. No row: it never did.
--   failures       calls of pulls in a row that failed, the last one at failed_at
--   attempt        probes in vain, by which the next is put off
--   closed_at      when it last worked again: one that fails soon after is probed less often
create table breakers (
    organization_id uuid not null default crmhub_organization(),
    connection_id   uuid not null,
    state           text not null default 'closed' check (state in ('closed', 'open', 'probing', 'stopped')),
    since           timestamptz not null default now(),
    next_probe_at   timestamptz,
    failures        integer not null default 0,
    attempt         integer not null default 0,
    class           text,
    code            text,
    message         text,
    remedy          text,
    failed_at       timestamptz,
    closed_at       timestamptz,
    primary key (organization_id, connection_id),
    foreign key (organization_id, connection_id) references connections on delete cascade
);
create index breakers_due on breakers (next_probe_at) where next_probe_at is not null;

-- How long a connection is left alone after some probes in vain, all in seconds: doubled with each up to the longest, with
-- some chance, so that what failed together is not probed together, and as long as its system asks for.
create function crmhub_pause(first float8, longest float8, attempts integer, at_least float8) returns interval language sql volatile
    return greatest(least(first * power(2, least(attempts, 20)), longest) * (0.8 + 0.4 * random()), at_least) * interval '1 second';

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['job_order', 'run_lines', 'breakers'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('create policy every on %I to crmhub_system using (true)', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd
grant select on job_order, run_lines to crmhub_system;
grant insert on run_lines to crmhub_system;
grant select, update on breakers to crmhub_system;
