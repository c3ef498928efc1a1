-- +goose Up
-- Reports of opportunities, campaigns, tickets and feedback: what departments mean to reach, and the indexes that are read
-- instead of the tables.

alter table targets add column department_id uuid;
alter table targets add foreign key (organization_id, department_id) references departments;
alter table targets add constraint targets_whose check (owner_id is null or department_id is null);
alter table targets drop constraint targets_one;
alter table targets add constraint targets_one unique nulls not distinct (organization_id, month, measure, owner_id, department_id, currency);
alter table targets drop constraint targets_measure_check;
alter table targets add constraint targets_measure_check check (measure in ('revenue', 'orders', 'invoiced', 'won'));

-- Only the ticket itself knows that it had been settled before: its times are cleared when it is taken up again.
alter table tickets add column reopened integer not null default 0 check (reopened >= 0);

-- The conditions are those of package report, word for word.
create index opportunities_closed on opportunities (organization_id, closed_at)
    include (id, status, customer_id, pipeline_id, currency, rate_to_base, amount, owner_id, source, campaign_id, lost_reason, created_at)
    where deleted_at is null and status <> 'open';

-- Who entered which stage, and what came after, is read in the order of the key; with what it asks of a row, from the index alone.
alter table opportunity_stage_log drop constraint opportunity_stage_log_pkey;
alter table opportunity_stage_log add primary key (organization_id, opportunity_id, version) include (pipeline_id, to_stage, at);

-- Whose rows somebody reaches is asked as before, but in a form that parallel workers may ask too: PostgreSQL 15 takes a
-- sub-select without a table for one that they must not run, and so ran each report on one core.
-- +goose StatementBegin
create or replace function crmhub_owners(wanted text) returns setof uuid language sql stable parallel safe
begin atomic
    select o from unnest(nullif(case crmhub_scope(wanted)
        when 'own' then current_setting('crmhub.own', true)
        when 'department' then current_setting('crmhub.department', true)
        when 'department_tree' then current_setting('crmhub.department_tree', true)
    end, '')::uuid[]) o;
end;
-- +goose StatementEnd
-- +goose StatementBegin
do $$
declare p record;
begin
    for p in select polrelid::regclass as guarded, substring(pg_get_expr(polqual, polrelid) from $re$crmhub_owners\('([a-z_]+\.read)'$re$) as reads
            from pg_policy where polname = 'reach_select' and pg_get_expr(polqual, polrelid) like '%OR (owner_id IN ( SELECT crmhub_owners(%' loop
        execute format('alter policy reach_select on %1$s using ((select crmhub_whole(%2$L)) or owner_id in (select o from crmhub_owners(%2$L) o))', p.guarded, p.reads);
    end loop;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create or replace procedure guard_rows(guarded text, resource text) language plpgsql as $$
declare
    owned boolean := exists (select from pg_attribute where attrelid = guarded::regclass and attname = 'owner_id' and not attisdropped);
    reached text := '(select crmhub_whole(%1$L))' || case when owned then ' or owner_id in (select o from crmhub_owners(%1$L) o)' else '' end;
    reads text := format(reached, resource || '.read');
    creates text := format(reached, resource || '.create');
    changes text := format(reached, resource || '.change');
begin
    execute format('create policy reach_select on %I as restrictive for select to crmhub_app using (%s)', guarded, reads);
    execute format('create policy reach_insert on %I as restrictive for insert to crmhub_app with check (%s)', guarded, creates);
    execute format('create policy reach_update on %I as restrictive for update to crmhub_app using (%s)', guarded, changes);
    execute format('create policy reach_delete on %I as restrictive for delete to crmhub_app using (%s)', guarded, changes);
    if owned then
        execute format('create index %I on %I (organization_id, owner_id, updated_at desc, id desc)
            where deleted_at is null and owner_id is not null', guarded || '_owner', guarded);
    end if;
end $$;
-- +goose StatementEnd
