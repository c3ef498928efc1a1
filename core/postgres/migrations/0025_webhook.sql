-- +goose Up
-- What other systems say: where their messages come in, and which came.

-- A connection has at most one.
--   id        the last part of its address; it is random, and unique among all organizations, since it is all a message says
--   entities  what stands at the pointer in a message → entity whose pull is run; none: all pulls
create table webhooks (
    organization_id uuid not null default crmhub_organization(),
    connection_id   uuid not null,
    id              uuid not null unique,
    scheme          text not null check (scheme in ('standard', 'hmac')),
    header          text not null default '',
    pointer         text not null default '',
    entities        jsonb not null default '{}',
    secrets         bytea not null,
    created_at      timestamptz not null default now(),
    created_by      text not null default crmhub_actor(),
    updated_at      timestamptz not null default now(),
    updated_by      text not null default crmhub_actor(),
    primary key (organization_id, connection_id),
    foreign key (organization_id, connection_id) references connections on delete cascade
);

-- Which came, so that each counts once.
create table webhook_messages (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    connection_id   uuid not null,
    message_id      text not null,
    size            integer not null,
    said            text not null default '',
    runs            uuid[] not null default '{}',
    received_at     timestamptz not null default now(),
    primary key (organization_id, id),
    foreign key (organization_id, connection_id) references connections on delete cascade
);
create index webhook_messages_again on webhook_messages (organization_id, connection_id, message_id);
create index webhook_messages_recent on webhook_messages (organization_id, connection_id, received_at desc, id desc);

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['webhooks', 'webhook_messages'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd
-- A message says no more than where it came in.
create policy every on webhooks to crmhub_system using (true);
grant select on webhooks to crmhub_system;

-- A run may be asked for by a message.
alter table runs drop constraint runs_cause_check;
alter table runs add constraint runs_cause_check check (cause in ('schedule', 'manual', 'resume', 'webhook'));
