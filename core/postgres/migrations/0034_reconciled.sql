-- +goose Up
-- A million ids are kept by each comparison and found by equality only: bytes are compared faster than words of a language.
alter table reconciled_records alter column remote_id type text collate "C";
