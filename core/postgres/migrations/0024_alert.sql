-- +goose Up
-- What an administrator should look at. Opened when a condition begins to hold, resolved when it ends.
--   subject  what it is about: the id of a job, connection or subscription, or a word
--   detail   numbers and texts of the condition as last seen
create table alerts (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null default gen_random_uuid(),
    kind            text not null,
    subject         text not null,
    name            text not null,
    detail          jsonb not null default '{}',
    opened_at       timestamptz not null default now(),
    seen_at         timestamptz not null default now(),
    resolved_at     timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    primary key (organization_id, id)
);
create unique index alerts_open on alerts (organization_id, kind, subject) where resolved_at is null;
create index alerts_recent on alerts (organization_id, opened_at desc, id desc);

-- From when on something is worth an alert. An organization without a row has the defaults.
create table alert_settings (
    organization_id uuid not null default crmhub_organization() references organizations primary key,
    lag_minutes     integer not null default 10 check (lag_minutes > 0),
    dead_letters    integer not null default 1 check (dead_letters > 0),
    conflicts       integer not null default 1 check (conflicts > 0),
    muted           text[] not null default '{}',
    updated_at      timestamptz not null default now(),
    updated_by      text not null default crmhub_actor()
);

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['alerts', 'alert_settings'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd

set local role crmhub_system;
call preset_grant('integrator', '{alert}', '{read,update}', 'organization');
call preset_grant('finance', '{alert}', '{read}', 'organization');
reset role;
