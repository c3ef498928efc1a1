-- +goose Up
-- Teams: people of any departments under one name. Lists are narrowed to what they own; nobody sees more or less by being in one.
create table teams (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    name            text not null check (name <> ''),
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    primary key (organization_id, id)
);
create unique index teams_name on teams (organization_id, lower(name));

create table team_members (
    organization_id uuid not null default crmhub_organization(),
    team_id         uuid not null,
    user_id         uuid not null,
    primary key (organization_id, team_id, user_id),
    foreign key (organization_id, team_id) references teams on delete cascade,
    foreign key (organization_id, user_id) references users on delete cascade
);
create index team_members_user on team_members (organization_id, user_id);

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['teams', 'team_members'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd
