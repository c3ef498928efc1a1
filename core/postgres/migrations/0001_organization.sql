-- +goose Up
-- Roles, tenants and the people in them.
--
-- Every transaction of the hub takes one of two roles, neither of which can log in:
--   crmhub_app     acts inside one organization, named by the setting crmhub.organization;
--   crmhub_system  acts across organizations, on the few tables that need it.
-- Row level security binds both, so it holds even when the login role is a superuser.

-- +goose StatementBegin
do $$
begin
    if not exists (select from pg_roles where rolname = 'crmhub_app') then
        create role crmhub_app nologin;
    end if;
exception when duplicate_object or unique_violation then null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
do $$
begin
    if not exists (select from pg_roles where rolname = 'crmhub_system') then
        create role crmhub_system nologin;
    end if;
exception when duplicate_object or unique_violation then null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
do $$
begin
    if not pg_has_role('crmhub_app', 'member') or not pg_has_role('crmhub_system', 'member') then -- a superuser is a member of all
        execute format('grant crmhub_app, crmhub_system to %I', current_user);
    end if;
end $$;
-- +goose StatementEnd

-- The organization the transaction acts in; null, hence no row at all, when nobody said.
create function crmhub_organization() returns uuid
    language sql stable parallel safe
    return nullif(current_setting('crmhub.organization', true), '')::uuid;

-- Who acts, as written to created_by and updated_by: user:<id>, token:<id>, connection:<id> or system.
create function crmhub_actor() returns text
    language sql stable parallel safe
    return coalesce(nullif(current_setting('crmhub.actor', true), ''), 'system');

-- Each running hub process has a number from here; see AsWorker of package postgres.
create sequence worker_id as integer cycle;
grant usage on sequence worker_id to crmhub_app, crmhub_system;

-- Does the worker that holds a claim still live? It does while its session holds the lock on its number.
create function worker_alive(worker integer) returns boolean language sql stable as $$
	select exists (
		select from pg_locks l
		where l.locktype = 'advisory' and l.classid = 1668443496 and l.objid = worker::oid and l.objsubid = 2 and l.granted
			and l.database = (select d.oid from pg_database d where d.datname = current_database()))
$$;

create table organizations (
    id            uuid primary key,
    code          text not null unique check (code ~ '^[a-z][a-z0-9-]{0,30}$'),
    name          text not null check (name <> ''),
    base_currency char(3) not null check (base_currency ~ '^[A-Z]{3}$'),
    created_at    timestamptz not null default now()
);

create table users (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    login           text not null check (login <> ''),
    name            text not null check (name <> ''),
    email           text,
    password_hash   text,
    locale          text not null default 'en' check (locale in ('en', 'zh-CN')),
    status          text not null default 'active' check (status in ('active', 'disabled')),
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    primary key (organization_id, id)
);
-- A login names one person in the whole installation: nobody types an organization to sign in.
create unique index users_login on users (lower(login));

create table sessions (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    user_id         uuid not null,
    token_hash      bytea not null unique,
    ip              text,
    user_agent      text,
    created_at      timestamptz not null default now(),
    last_seen_at    timestamptz not null default now(),
    expires_at      timestamptz not null,
    primary key (organization_id, id),
    foreign key (organization_id, user_id) references users on delete cascade
);

create table api_tokens (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    user_id         uuid not null,
    name            text not null check (name <> ''),
    token_hash      bytea not null unique,
    created_at      timestamptz not null default now(),
    last_used_at    timestamptz,
    expires_at      timestamptz,
    revoked_at      timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, user_id) references users on delete cascade
);

-- Answers already given to writes that carried an Idempotency-Key.
create table idempotency_keys (
    organization_id uuid not null default crmhub_organization() references organizations,
    actor           text not null default crmhub_actor(),
    key             text not null,
    request_digest  bytea not null,
    status          integer not null,
    etag            text not null,
    location        text not null,
    body            bytea,
    created_at      timestamptz not null default now(),
    primary key (organization_id, actor, key)
);

alter table organizations enable row level security;
alter table organizations force row level security;
create policy own on organizations to crmhub_app using (id = crmhub_organization());
create policy every on organizations to crmhub_system using (true);
grant select, update on organizations to crmhub_app;
grant select, insert, update on organizations to crmhub_system;

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['users', 'sessions', 'api_tokens', 'idempotency_keys'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('create policy every on %I to crmhub_system using (true)', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd
-- Signing in happens before anyone is known: the system role finds the person, nothing more.
grant select, insert on users to crmhub_system;
grant select, insert, update, delete on sessions to crmhub_system;
grant select, update on api_tokens to crmhub_system;
grant select, delete on idempotency_keys to crmhub_system;
