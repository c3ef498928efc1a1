-- +goose Up
-- Who outside is told of what happens here, and what became of telling him.

-- A subscription.
--   events          "order.created", "order.*", "alert.*" or "*"
--   secrets         what webhooks are signed with, sealed: the current one, and the one before it until secret_ends_at
--   since           what happened earlier is not told
--   failing_since   since when no attempt succeeded
create table subscriptions (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    version         bigint not null default 1,
    name            text not null check (name <> ''),
    target          text not null,
    events          text[] not null,
    secrets         bytea,
    secret_ends_at  timestamptz,
    status          text not null default 'active' check (status in ('active', 'paused', 'disabled')),
    since           timestamptz not null default now(),
    failing_since   timestamptz,
    disabled_cause  text,
    created_at      timestamptz not null default now(),
    created_by      text not null default crmhub_actor(),
    updated_at      timestamptz not null default now(),
    updated_by      text not null default crmhub_actor(),
    primary key (organization_id, id)
);

-- One event for one subscription.
--   tries     attempts since it was made or last asked for; attempts lists all there were
--   body      text: what is signed is its bytes
create table deliveries (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    subscription_id uuid not null,
    event_id        uuid not null,
    event           text not null,
    summary         text not null,
    body            text not null,
    status          text not null default 'pending' check (status in ('pending', 'delivered', 'failed')),
    tries           integer not null default 0,
    attempts        jsonb not null default '[]',
    next_attempt_at timestamptz not null default now(),
    created_at      timestamptz not null default clock_timestamp(),
    delivered_at    timestamptz,
    primary key (organization_id, id),
    unique (organization_id, subscription_id, event_id),
    foreign key (organization_id, subscription_id) references subscriptions on delete cascade
);
create index deliveries_recent on deliveries (organization_id, created_at desc, id desc);
create index deliveries_of on deliveries (organization_id, subscription_id, created_at desc, id desc);
create index deliveries_due on deliveries (next_attempt_at) where status = 'pending';
create index deliveries_old on deliveries (created_at);

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['subscriptions', 'deliveries'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('create policy every on %I to crmhub_system using (true)', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd
-- The sender works for every organization.
grant select, update on subscriptions to crmhub_system;
grant select, update, delete on deliveries to crmhub_system;
