-- +goose Up
-- What follows an entry of an opportunity's log of stages is in the rows behind it: to count who came further, a report read the
-- whole log in order. opportunity_stays has what follows in the row itself, written with the log.
--   left_at         when it entered the next stage; null while it is there
--   entered_before  when it had last entered the same stage before
--   returned        it entered the same stage again later
--   reached         the stages of the same pipeline that it entered later
create table opportunity_stays (
    organization_id uuid not null,
    opportunity_id  uuid not null,
    version         bigint not null,
    pipeline_id     uuid not null,
    stage           text not null,
    entered_at      timestamptz not null,
    left_at         timestamptz,
    entered_before  timestamptz,
    returned        boolean not null,
    reached         text[] not null,
    primary key (organization_id, opportunity_id, version)
);
alter table opportunity_stays enable row level security;
alter table opportunity_stays force row level security;
create policy own on opportunity_stays for select to crmhub_app using (organization_id = crmhub_organization());
create policy reach_select on opportunity_stays as restrictive for select to crmhub_app using (
    (select crmhub_whole('opportunity.read')) or exists (select from opportunities p where p.id = opportunity_stays.opportunity_id));
grant select on opportunity_stays to crmhub_app;
create policy keep on opportunity_stays to crmhub_lookup using (true);
grant select, insert, update, delete on opportunity_stays to crmhub_lookup;
create policy find on opportunity_stage_log for select to crmhub_lookup using (true);
grant select (organization_id, opportunity_id, version, pipeline_id, to_stage, at) on opportunity_stage_log to crmhub_lookup;

-- The stays of opportunities that moved, made of their log anew: a handful of rows each.
-- +goose StatementBegin
create function opportunity_stays_write() returns trigger language plpgsql security definer set search_path from current as $$
begin
    insert into opportunity_stays (organization_id, opportunity_id, version, pipeline_id, stage, entered_at, left_at, entered_before, returned, reached)
    select l.organization_id, l.opportunity_id, l.version, l.pipeline_id, l.to_stage, l.at,
        lead(l.at) over (partition by l.organization_id, l.opportunity_id order by l.version),
        lag(l.at) over (partition by l.organization_id, l.opportunity_id, l.pipeline_id, l.to_stage order by l.version),
        lead(l.at) over (partition by l.organization_id, l.opportunity_id, l.pipeline_id, l.to_stage order by l.version) is not null,
        array(select distinct n.to_stage from opportunity_stage_log n where n.organization_id = l.organization_id
            and n.opportunity_id = l.opportunity_id and n.pipeline_id = l.pipeline_id and n.version > l.version)
    from (select distinct organization_id, opportunity_id from added) a
    join opportunity_stage_log l on l.organization_id = a.organization_id and l.opportunity_id = a.opportunity_id
    on conflict (organization_id, opportunity_id, version) do update set left_at = excluded.left_at, returned = excluded.returned, reached = excluded.reached;
    return null;
end $$;
-- +goose StatementEnd
create trigger opportunity_stays after insert on opportunity_stage_log referencing new table as added
    for each statement execute function opportunity_stays_write();

set local role crmhub_lookup;
insert into opportunity_stays (organization_id, opportunity_id, version, pipeline_id, stage, entered_at, left_at, entered_before, returned, reached)
select l.organization_id, l.opportunity_id, l.version, l.pipeline_id, l.to_stage, l.at,
    lead(l.at) over (partition by l.organization_id, l.opportunity_id order by l.version),
    lag(l.at) over (partition by l.organization_id, l.opportunity_id, l.pipeline_id, l.to_stage order by l.version),
    lead(l.at) over (partition by l.organization_id, l.opportunity_id, l.pipeline_id, l.to_stage order by l.version) is not null,
    array(select distinct n.to_stage from opportunity_stage_log n where n.organization_id = l.organization_id
        and n.opportunity_id = l.opportunity_id and n.pipeline_id = l.pipeline_id and n.version > l.version)
from opportunity_stage_log l;
reset role;
create index opportunity_stays_entered on opportunity_stays (organization_id, pipeline_id, entered_at)
    include (opportunity_id, stage, left_at, entered_before, returned, reached);
-- +goose StatementBegin
do $$ begin if pg_relation_size('opportunity_stays') > 0 then analyze opportunity_stays; end if; end $$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
begin
    execute format('grant create on schema %I to crmhub_lookup', current_schema());
    revoke execute on function opportunity_stays_write() from public;
    alter function opportunity_stays_write() owner to crmhub_lookup;
    execute format('revoke create on schema %I from crmhub_lookup', current_schema());
end $$;
-- +goose StatementEnd
