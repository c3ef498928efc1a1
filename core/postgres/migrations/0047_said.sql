-- +goose Up
-- What the hub says of reconciliations, matchings and connections that are held back, by a code and arguments as dead letters have
-- it since 0043; null where it says nothing but the text, such as in older rows and of what another system said.
alter table reconciliations add column said jsonb;
alter table differences add column said jsonb;
alter table matchings add column said jsonb;
alter table proposals add column said jsonb;
alter table breakers add column said jsonb;
