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
