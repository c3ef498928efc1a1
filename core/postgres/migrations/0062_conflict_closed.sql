-- +goose Up
-- What was deleted, merged or taken apart nobody has to decide about any more: its conflicts are closed, and say so.
alter table conflicts drop constraint conflicts_status_check;
alter table conflicts add constraint conflicts_status_check
    check (status in ('open', 'ours', 'theirs', 'value', 'converged', 'deleted', 'merged', 'unlinked')) not valid; -- the old ones are among them
