-- +goose Up
-- A text that many rows have gives an inverted index all its rows before the first is looked at. So package crm looks at the newest rows
-- first, which tells what is frequent, and asks the index for what is rare: with the words that are worth asking for (looked), and the whole
-- text (wanted) and the owners whose rows are asked for as a test of each row that it has.

-- What the lookup sees besides ids and tokens: whose a row is, when it changed, and whether it is deleted.
-- +goose StatementBegin
create or replace function crmhub_make_searchable(kind regclass) returns void language plpgsql as $$
begin
    execute format('alter table %s add column search tsvector', kind);
    execute format('create index %I on %s using gin (search)', kind || '_search', kind);
    execute format('create index %I on %s (organization_id, id) where search is null', kind || '_unsearched', kind);
    perform crmhub_let_lookup(kind);
    execute format('create policy find on %s for select to crmhub_lookup using (true)', kind);
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function crmhub_let_lookup(kind regclass) returns void language plpgsql as $$
declare columns text;
begin
    select string_agg(attname, ', ') into columns from pg_attribute
        where attrelid = kind and not attisdropped and attname in ('organization_id', 'id', 'search', 'owner_id', 'updated_at', 'deleted_at');
    execute format('grant select (%s) on %s to crmhub_lookup', columns, kind);
end $$;
-- +goose StatementEnd
revoke execute on function crmhub_let_lookup(regclass) from public;
-- +goose StatementBegin
do $$
declare t regclass;
begin
    for t in select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = current_schema() and c.relkind = 'r' and 4 = (
            select count(*) from pg_attribute a where a.attrelid = c.oid and a.attname in ('organization_id', 'version', 'origin', 'search'))
    loop
        perform crmhub_let_lookup(t);
    end loop;
end $$;
-- +goose StatementEnd

drop function crmhub_find(text, tsquery, integer);

-- The ids of rows of a kind's table whose tokens match, of the caller's organization, the newest change first; of the owners' living rows where owners are
-- given. They are at most so many of the first `far` rows that the index has for what is looked; whole says that there are no others. Without a far, all are
-- found that it has, and the index of owners is asked, too, so that no row of anybody else is read: it is worth that where most are others'.
-- +goose StatementBegin
create function crmhub_find(kind text, looked tsquery, wanted tsquery, owners uuid[], most integer, far integer, out ids uuid[], out whole boolean)
    language plpgsql stable security definer set search_path from current set enable_seqscan = off set enable_indexscan = off
    set max_parallel_workers_per_gather = 0 as $$
declare
    tested text := concat_ws(' and ',
        case when looked::text <> wanted::text then 'search @@ $2' end,
        case when owners is not null then 'owner_id = any ($3) and deleted_at is null' end);
begin
    execute format('
        select coalesce((array_agg(id order by updated_at desc, id desc) filter (where tested))[:$4], array[]::uuid[]),
            count(*) filter (where tested) <= $4 and ($5 is null or count(*) < $5) from (
            select id, updated_at, %2$s as tested from %1$I where organization_id = crmhub_organization() and search @@ $1 %3$s limit $5) found',
        kind, coalesce(nullif(tested, ''), 'true'), case when far is null and owners is not null then 'and owner_id = any ($3) and deleted_at is null' end)
        into ids, whole using looked, wanted, owners, most, far;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
do $$
declare f regprocedure := 'crmhub_find(text, tsquery, tsquery, uuid[], integer, integer)';
begin
    execute format('grant create on schema %I to crmhub_lookup', current_schema());
    execute format('revoke execute on function %s from public', f);
    execute format('grant execute on function %s to crmhub_app', f);
    execute format('alter function %s owner to crmhub_lookup', f);
    execute format('revoke create on schema %I from crmhub_lookup', current_schema());
end $$;
-- +goose StatementEnd
