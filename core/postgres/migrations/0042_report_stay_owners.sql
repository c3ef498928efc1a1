-- +goose Up
-- The stays that 0036 keeps for reports hold whose the opportunity is and what became of it. Joined with the opportunities, and
-- reached through them, they were read by no more than one worker.

alter table opportunity_stays add column customer_id uuid, add column owner_id uuid, add column status text, add column deleted boolean;
grant select (organization_id, id, customer_id, owner_id, status, deleted_at) on opportunities to crmhub_lookup;
drop index opportunity_stays_entered;
set local role crmhub_lookup;
update opportunity_stays s set customer_id = d.customer_id, owner_id = d.owner_id, status = d.status, deleted = d.deleted_at is not null
from opportunities d where d.organization_id = s.organization_id and d.id = s.opportunity_id;
reset role;
alter table opportunity_stays alter customer_id set not null, alter status set not null, alter deleted set not null;

drop policy reach_select on opportunity_stays;
create policy reach_select on opportunity_stays as restrictive for select to crmhub_app using (
    (select crmhub_whole('opportunity.read')) or owner_id in (select o from crmhub_owners('opportunity.read') o));
create index opportunity_stays_entered on opportunity_stays (organization_id, pipeline_id, entered_at)
    include (opportunity_id, stage, left_at, entered_before, returned, reached, customer_id, owner_id, status) where not deleted;

-- +goose StatementBegin
create or replace function opportunity_stays_write() returns trigger language plpgsql security definer set search_path from current as $$
begin
    insert into opportunity_stays (organization_id, opportunity_id, version, pipeline_id, stage, entered_at, left_at, entered_before, returned, reached,
        customer_id, owner_id, status, deleted)
    select l.organization_id, l.opportunity_id, l.version, l.pipeline_id, l.to_stage, l.at,
        lead(l.at) over (partition by l.organization_id, l.opportunity_id order by l.version),
        lag(l.at) over (partition by l.organization_id, l.opportunity_id, l.pipeline_id, l.to_stage order by l.version),
        lead(l.at) over (partition by l.organization_id, l.opportunity_id, l.pipeline_id, l.to_stage order by l.version) is not null,
        array(select distinct n.to_stage from opportunity_stage_log n where n.organization_id = l.organization_id
            and n.opportunity_id = l.opportunity_id and n.pipeline_id = l.pipeline_id and n.version > l.version),
        d.customer_id, d.owner_id, d.status, d.deleted_at is not null
    from (select distinct organization_id, opportunity_id from added) a
    join opportunities d on d.organization_id = a.organization_id and d.id = a.opportunity_id
    join opportunity_stage_log l on l.organization_id = a.organization_id and l.opportunity_id = a.opportunity_id
    on conflict (organization_id, opportunity_id, version) do update set left_at = excluded.left_at, returned = excluded.returned, reached = excluded.reached;
    return null;
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
create function opportunity_stays_given() returns trigger language plpgsql security definer set search_path from current as $$
begin
    update opportunity_stays set customer_id = new.customer_id, owner_id = new.owner_id, status = new.status, deleted = new.deleted_at is not null
    where organization_id = new.organization_id and opportunity_id = new.id;
    return null;
end $$;
-- +goose StatementEnd
create trigger opportunity_stays_given after update on opportunities for each row
    when ((old.customer_id, old.owner_id, old.status, old.deleted_at is null) is distinct from (new.customer_id, new.owner_id, new.status, new.deleted_at is null))
    execute function opportunity_stays_given();
revoke execute on function opportunity_stays_given() from public;
-- +goose StatementBegin
do $$
begin
    if pg_relation_size('opportunity_stays') > 0 then analyze opportunity_stays; end if;
    execute format('grant create on schema %I to crmhub_lookup', current_schema());
    alter function opportunity_stays_given() owner to crmhub_lookup;
    execute format('revoke create on schema %I from crmhub_lookup', current_schema());
end $$;
-- +goose StatementEnd
