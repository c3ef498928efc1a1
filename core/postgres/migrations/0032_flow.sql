-- +goose Up
-- How much came over each connection in the last hours is counted for a page that people look at all day. The index has all
-- that is asked for; times ascend, so what is new goes to its end. Vacuumed often, else the newest rows would be looked up one by one.
create index exchanges_arrived on exchanges (organization_id, at) include (connection_id, entity, direction)
    where outcome in ('linked', 'unchanged', 'created', 'updated');
alter table exchanges set (autovacuum_vacuum_insert_scale_factor = 0.02);
