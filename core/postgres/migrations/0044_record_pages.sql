-- +goose Up
-- What belongs to a record, on its page, newest first. Few rows name one of these, so each index is small.
create index activities_contact on activities (organization_id, contact_id, at desc, id desc) where contact_id is not null;
create index activities_ticket on activities (organization_id, ticket_id, at desc, id desc) where ticket_id is not null;
create index opportunities_contact on opportunities (organization_id, primary_contact_id) where primary_contact_id is not null;
create index opportunities_campaign on opportunities (organization_id, campaign_id) where campaign_id is not null;
create index tasks_opportunity on tasks (organization_id, opportunity_id) where opportunity_id is not null;
create index tasks_ticket on tasks (organization_id, ticket_id) where ticket_id is not null;
create index tickets_contact on tickets (organization_id, contact_id) where contact_id is not null;
create index tickets_order on tickets (organization_id, order_id) where order_id is not null;
create index contracts_opportunity on contracts (organization_id, opportunity_id) where opportunity_id is not null;
create index contracts_order on contracts (organization_id, order_id) where order_id is not null;

-- What is still to be paid, by the day it is due, as lists sort it (0033): a year's paid invoices lie before the first one.
create index invoices_owed on invoices (organization_id, (case when due_date is null then '-infinity' else due_date end), id)
    where residual > 0 and deleted_at is null;
create index invoices_owed_owner on invoices (organization_id, owner_id, (case when due_date is null then '-infinity' else due_date end), id)
    where residual > 0 and deleted_at is null;
