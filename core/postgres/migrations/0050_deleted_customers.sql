-- +goose Up
-- What a customer owes is for his owner to see to, also where the customer is deleted: one owner's customers are found without reading all.
create index customers_deleted on customers (organization_id, owner_id, id) where deleted_at is not null;
