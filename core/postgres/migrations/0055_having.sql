-- +goose Up
-- The ids of all living rows of the caller's organization that have a text, as the index knows it: a list in another order than that of changes compares them with the
-- rows of its order where a text is frequent and stands far away. As crmhub_find it says ids only, and rows are read as the caller.
-- +goose StatementBegin
create function crmhub_having(kind text, looked tsquery) returns setof uuid
    language plpgsql stable security definer set search_path from current set enable_seqscan = off set enable_indexscan = off
    set max_parallel_workers_per_gather = 0 as $$
begin
    return query execute format('select id from %I where organization_id = crmhub_organization() and search @@ $1 and deleted_at is null', kind) using looked;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
do $$
declare f regprocedure := 'crmhub_having(text, tsquery)';
begin
    execute format('grant create on schema %I to crmhub_lookup', current_schema());
    execute format('revoke execute on function %s from public', f);
    execute format('grant execute on function %s to crmhub_app', f);
    execute format('alter function %s owner to crmhub_lookup', f);
    execute format('revoke create on schema %I from crmhub_lookup', current_schema());
end $$;
-- +goose StatementEnd
