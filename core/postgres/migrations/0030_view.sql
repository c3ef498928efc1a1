-- +goose Up
-- Views: a list's filter, order and columns under a name.

-- Who the person is that a transaction acts for, by himself or by a token of his; null for the hub and for connections.
create function crmhub_person() returns uuid
    language sql stable parallel safe
    return coalesce(nullif(current_setting('crmhub.person', true), ''),
        case when crmhub_actor() like 'user:%' then substr(crmhub_actor(), 6) end)::uuid;

--   filter   as in the address of a list: {"status": "draft", "total[ge]": "100", "owner_id": "me"}
--   sort     a field, behind a minus from the highest down; '' is the newest change first
--   columns  none: those that the reader chose
-- A view is shared with a department, a team or everybody, or else its owner's alone: so it is when what it was shared with is gone.
create table list_views (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    kind            text not null,
    name            text not null check (name <> ''),
    owner_id        uuid not null default crmhub_person(),
    department_id   uuid,
    team_id         uuid,
    everybody       boolean not null default false,
    filter          jsonb not null default '{}',
    query           text not null default '',
    sort            text not null default '',
    columns         text[] not null default '{}',
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    primary key (organization_id, id),
    foreign key (organization_id, owner_id) references users on delete cascade,
    foreign key (organization_id, department_id) references departments on delete set null (department_id),
    foreign key (organization_id, team_id) references teams on delete set null (team_id),
    constraint list_views_share check (num_nonnulls(department_id, team_id) + everybody::integer <= 1)
);
create unique index list_views_name on list_views (organization_id, owner_id, kind, lower(name));
create index list_views_kind on list_views (organization_id, kind);

-- The view that a person's list of a kind begins with.
create table list_view_defaults (
    organization_id uuid not null default crmhub_organization(),
    user_id         uuid not null default crmhub_person(),
    kind            text not null,
    view_id         uuid not null,
    primary key (organization_id, user_id, kind),
    foreign key (organization_id, user_id) references users on delete cascade,
    foreign key (organization_id, view_id) references list_views on delete cascade
);

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['list_views', 'list_view_defaults'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd

-- Seen by its owner and by those it is shared with; changed by its owner, who shares with whom he works, and with everybody if he may
-- create views of everybody's; taken away by its owner, and if it is everybody's by who may change those.
create policy reach_select on list_views as restrictive for select to crmhub_app using (
    owner_id = (select crmhub_person()) or everybody
    or department_id = (select u.department_id from users u where u.id = crmhub_person())
    or team_id in (select m.team_id from team_members m where m.user_id = crmhub_person()));
create policy reach_insert on list_views as restrictive for insert to crmhub_app with check (
    owner_id = (select crmhub_person()) and (not everybody or (select crmhub_whole('view.create'))));
create policy reach_update on list_views as restrictive for update to crmhub_app
    using (owner_id = (select crmhub_person()))
    with check (owner_id = (select crmhub_person()) and (not everybody or (select crmhub_whole('view.create'))));
create policy reach_delete on list_views as restrictive for delete to crmhub_app using (
    owner_id = (select crmhub_person()) or everybody and (select crmhub_whole('view.change')));
create policy reach on list_view_defaults as restrictive to crmhub_app using (user_id = (select crmhub_person()));

set local role crmhub_system;
call preset_grant('sales_manager', '{view}', '{create,delete}', 'organization');
reset role;
