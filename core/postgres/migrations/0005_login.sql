-- +goose Up
-- Signing in: slowing down guessers, the second factor, identities of an OpenID provider, and who tried when.

-- How often something was tried in vain. The subject is a keyed digest of a login (of one that nobody has, too) or of
-- an address, so that the table says neither. It belongs to no organization, since a login is tried before it is known.
create table sign_in_attempts (
    subject       bytea primary key,
    failures      double precision not null, -- they leak away with time,
    last_at       timestamptz not null,
    blocked_until timestamptz not null
);
create index sign_in_attempts_last on sign_in_attempts (last_at);
grant select, insert, update, delete on sign_in_attempts to crmhub_system;

-- Sign-ins that wait for their second factor.
create table sign_ins (
    organization_id uuid not null default crmhub_organization(),
    id              uuid not null,
    user_id         uuid not null,
    token_hash      bytea not null unique,
    method          text not null check (method in ('password', 'oidc')),
    expires_at      timestamptz not null,
    primary key (organization_id, id),
    foreign key (organization_id, user_id) references users on delete cascade
);
create index sign_ins_user on sign_ins (organization_id, user_id);

-- The key of a person's authenticator app (RFC 6238), sealed. It counts once it is confirmed; a step counts once.
create table second_factors (
    organization_id uuid not null default crmhub_organization(),
    user_id         uuid not null,
    secret          bytea not null,
    last_step       bigint not null default 0,
    created_at      timestamptz not null,
    confirmed_at    timestamptz,
    primary key (organization_id, user_id),
    foreign key (organization_id, user_id) references users on delete cascade
);

create table recovery_codes (
    organization_id uuid not null default crmhub_organization(),
    user_id         uuid not null,
    code_hash       bytea not null,
    used_at         timestamptz,
    primary key (organization_id, user_id, code_hash),
    foreign key (organization_id, user_id) references second_factors on delete cascade
);

-- Who somebody is at an OpenID provider.
create table identities (
    organization_id uuid not null default crmhub_organization(),
    issuer          text not null,
    subject         text not null,
    user_id         uuid not null,
    created_at      timestamptz not null,
    primary key (organization_id, issuer, subject),
    unique (issuer, subject),
    unique (organization_id, user_id, issuer),
    foreign key (organization_id, user_id) references users on delete cascade
);
create index users_email on users (lower(email)) where email is not null;

-- Who signed in or tried to, from where. An attempt on a login that nobody has stands with the organization main, whose
-- people run the installation, and keeps a keyed digest of the login: it may be a password in the wrong field.
create table login_events (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    at              timestamptz not null,
    user_id         uuid,
    login_digest    text,
    method          text not null check (method in ('password', 'oidc')),
    outcome         text not null,
    ip              text,
    primary key (organization_id, id),
    foreign key (organization_id, user_id) references users on delete cascade,
    check (user_id is null or login_digest is null)
);
create index login_events_user on login_events (organization_id, user_id, id);
create index login_events_at on login_events (at);

create index sessions_user on sessions (organization_id, user_id);

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['sign_ins', 'second_factors', 'recovery_codes', 'identities', 'login_events'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('create policy every on %I to crmhub_system using (true)', t);
        execute format('grant select, insert on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd
grant update, delete on sign_ins, second_factors, recovery_codes, identities to crmhub_app;
grant select, insert, delete on sign_ins to crmhub_system;
grant select, update on second_factors, recovery_codes to crmhub_system;
grant select, insert on identities to crmhub_system;
grant select, insert, delete on login_events to crmhub_system;
