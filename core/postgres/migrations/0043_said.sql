-- +goose Up
-- What the hub says of a failure or a run by a code and arguments, so that each reader is told in his language; null where it
-- says nothing but the text, such as in older rows and of what another system said.
alter table dead_letters add column said jsonb;
alter table run_lines add column said jsonb;
