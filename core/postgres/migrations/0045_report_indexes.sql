-- +goose Up
-- A customer's region is that of his first bill address: read from an index instead of the addresses.
create index customer_addresses_region on customer_addresses (organization_id, customer_id) include (kind, seq, country, province);
