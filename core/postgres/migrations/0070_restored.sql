-- +goose Up
-- Where the database lives: its server, that server's history, and this very table. A dump that is restored brings the row along and
-- finds itself elsewhere; so does a standby that takes over. What went to other systems after the dump was made it does not know.
create table database_home (
    id          integer primary key default 1 check (id = 1),
    place       text not null,
    restored_at timestamptz -- when it was last found elsewhere
);
grant select, insert, update on database_home to crmhub_system;

-- Numbers that were given meanwhile are on paper and in other systems: none is given again.
create policy every on number_sequences to crmhub_system using (true);
grant select, update on number_sequences to crmhub_system;
