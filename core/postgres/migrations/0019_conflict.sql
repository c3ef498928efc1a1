-- +goose Up
-- A conflict keeps the record as it was read, so that a decision can be brought in; and how it ended: by somebody's choice of a
-- side, by another value, or because both sides came to say the same.
alter table conflicts add column record jsonb;
alter table conflicts drop constraint conflicts_status_check;
alter table conflicts add constraint conflicts_status_check check (status in ('open', 'ours', 'theirs', 'value', 'converged')) not valid; -- the old ones are among them
create index conflicts_recent on conflicts (organization_id, id desc);
