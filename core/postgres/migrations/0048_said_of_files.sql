-- +goose Up
-- Why an import, an export or a hand-over failed, by a code and arguments beside the text, as 0043 and 0047 have it.
alter table imports add column said jsonb;
alter table exports add column said jsonb;
alter table hand_overs add column said jsonb;
