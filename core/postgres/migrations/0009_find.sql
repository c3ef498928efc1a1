-- +goose Up
-- Search: each kind's table keeps the tokens of its rows, made by package search of core.
--
-- Row level security lets an index answer only for operators that are marked leakproof, and @@ is not: as crmhub_app,
-- each search would read the whole table. So one function looks into the index as a role of its own. That role sees
-- ids and tokens of all rows, nothing else, and the function says no more than ids of the caller's organization; what
-- stands behind them is read by the caller, within what he may see.

-- +goose StatementBegin
do $$
begin
    if not exists (select from pg_roles where rolname = 'crmhub_lookup') then
        create role crmhub_lookup nologin;
    end if;
exception when duplicate_object or unique_violation then null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
do $$
begin
    if not pg_has_role('crmhub_lookup', 'member') then
        execute format('grant crmhub_lookup to %I', current_user);
    end if;
end $$;
-- +goose StatementEnd

-- Gives a kind's table the column, its index and the lookup's right to read it. Whoever adds a kind calls it.
-- +goose StatementBegin
create function crmhub_make_searchable(kind regclass) returns void language plpgsql as $$
begin
    execute format('alter table %s add column search tsvector', kind);
    execute format('create index %I on %s using gin (search)', kind || '_search', kind);
    execute format('create index %I on %s (organization_id, id) where search is null', kind || '_unsearched', kind);
    execute format('grant select (organization_id, id, search) on %s to crmhub_lookup', kind);
    execute format('create policy find on %s for select to crmhub_lookup using (true)', kind);
end $$;
-- +goose StatementEnd
revoke execute on function crmhub_make_searchable(regclass) from public;
-- The kinds are the tables whose rows have versions and may be deleted.
-- +goose StatementBegin
do $$
declare t regclass;
begin
    for t in select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = current_schema() and c.relkind = 'r' and 4 = (
            select count(*) from pg_attribute a where a.attrelid = c.oid and a.attname in ('organization_id', 'version', 'origin', 'deleted_at'))
    loop
        perform crmhub_make_searchable(t);
    end loop;
end $$;
-- +goose StatementEnd

-- The ids of rows of a kind's table whose tokens match, of the caller's organization, in no order; null if there are
-- more than so many.
-- +goose StatementBegin
create function crmhub_find(kind text, query tsquery, most integer) returns uuid[]
    language plpgsql stable security definer set search_path from current as $$
declare ids uuid[];
begin
    execute format('select coalesce(array_agg(id), array[]::uuid[]) from (
        select id from %I where organization_id = crmhub_organization() and search @@ $1 limit $2) found', kind)
        into ids using query, most + 1;
    return case when cardinality(ids) <= most then ids end;
end $$;
-- +goose StatementEnd

-- Duplicates: what a record is recognized by, made by package match of core.
-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['customers', 'contacts'] loop
        execute format('alter table %I add column match_keys text[]', t);
        -- What waits to be sorted in is read by every look-up, so it stays short.
        execute format('create index %I on %I using gin (match_keys) with (gin_pending_list_limit = 64)', t || '_match_keys', t);
        execute format('grant select (match_keys, owner_id, deleted_at) on %I to crmhub_lookup', t);
    end loop;
end $$;
-- +goose StatementEnd
grant select (organization_id, id, name) on users to crmhub_lookup;
create policy find on users for select to crmhub_lookup using (true);

-- +goose StatementBegin
do $$
declare f regprocedure := 'crmhub_find(text, tsquery, integer)';
begin
    execute format('grant create on schema %I to crmhub_lookup', current_schema());
    execute format('revoke execute on function %s from public', f);
    execute format('grant execute on function %s to crmhub_app', f);
    execute format('alter function %s owner to crmhub_lookup', f);
    execute format('revoke create on schema %I from crmhub_lookup', current_schema());
end $$;
-- +goose StatementEnd

-- Duplicates beyond the caller's own scope: of the rows of his organization that share one of the keys `wanted`, at most so
-- many, the id, the keys that the caller has named himself, the row's name in its normal form, and whose the row is. It
-- says nothing else of a row, and it is the one way past the scope.
-- Each creation asks it, so it is planned once a session, to look into the index of keys and nowhere else.
-- +goose StatementBegin
do $$
declare t text;
begin
    execute format('grant create on schema %I to crmhub_lookup', current_schema());
    foreach t in array array['customers', 'contacts'] loop
        execute format($f$
            create function crmhub_matches_%1$s(keys text[], wanted text[], most integer)
                returns table (id uuid, shared text[], name text, owner text)
                language plpgsql stable security definer set search_path from current
                set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_indexscan = off as $b$
            begin
                return query
                    select r.id, array(select k from unnest(r.match_keys) k where k = any (keys)),
                        (select substr(k, 6) from unnest(r.match_keys) k where k like 'name:%%' limit 1),
                        (select u.name from users u where u.organization_id = r.organization_id and u.id = r.owner_id)
                    from %1$s r
                    where r.organization_id = crmhub_organization() and r.match_keys && wanted and r.deleted_at is null
                    limit most;
            end $b$ $f$, t);
        execute format('revoke execute on function crmhub_matches_%s(text[], text[], integer) from public', t);
        execute format('grant execute on function crmhub_matches_%s(text[], text[], integer) to crmhub_app', t);
        execute format('alter function crmhub_matches_%s(text[], text[], integer) owner to crmhub_lookup', t);
    end loop;
    execute format('revoke create on schema %I from crmhub_lookup', current_schema());
end $$;
-- +goose StatementEnd

-- Two entities that may be one.
create table duplicate_pairs (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    entity          text not null,
    a_id            uuid not null,
    b_id            uuid not null,
    score           integer not null,
    reasons         jsonb not null,
    status          text not null default 'open' check (status in ('open', 'dismissed', 'merged')),
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    updated_by      text not null default crmhub_actor(),
    primary key (organization_id, id),
    unique (organization_id, entity, a_id, b_id),
    check (a_id < b_id)
);
create index duplicate_pairs_status on duplicate_pairs (organization_id, status, score desc, id desc);

-- One merge, and what it takes to undo it.
--   before      the survivor's and the loser's document
--   references  each reference that was moved: whose it is, where in it, and the version it got
--   links       each link that moved to the survivor
create table merge_log (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    entity          text not null,
    survivor_id     uuid not null,
    loser_id        uuid not null,
    before          jsonb not null,
    "references"    jsonb not null,
    links           jsonb not null,
    merged_at       timestamptz not null default now(),
    merged_by       text not null default crmhub_actor(),
    unmerged_at     timestamptz,
    unmerged_by     text,
    primary key (organization_id, id)
);
create unique index merge_log_loser on merge_log (organization_id, entity, loser_id) where unmerged_at is null;
create index merge_log_survivor on merge_log (organization_id, entity, survivor_id, merged_at desc);

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['duplicate_pairs', 'merge_log'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd

-- An issued invoice still says what it said when its customer or a product was merged into another record of the same
-- party or thing: along a merge, or back, the reference may move.
create function crmhub_merged(kind text, one uuid, other uuid) returns boolean language sql stable as $$
    select exists (
        select from merge_log m where m.entity = kind and (m.loser_id, m.survivor_id) in ((one, other), (other, one)) and m.unmerged_at is null)
$$;
-- +goose StatementBegin
create or replace function invoice_is_immutable() returns trigger language plpgsql as $$
begin
    if old.status <> 'draft' and tg_op = 'DELETE' then
        raise exception 'invoice % is issued and cannot be deleted', old.number
            using errcode = 'restrict_violation', constraint = 'invoice_immutable';
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    if old.status <> 'draft' and ((new.number, new.kind, new.fapiao_type, new.order_id, new.reverses_id,
            new.issue_date, new.due_date, new.currency, new.rate_to_base, new.untaxed, new.tax, new.total, new.deleted_at)
        is distinct from (old.number, old.kind, old.fapiao_type, old.order_id, old.reverses_id,
            old.issue_date, old.due_date, old.currency, old.rate_to_base, old.untaxed, old.tax, old.total, old.deleted_at)
        or new.customer_id <> old.customer_id and not crmhub_merged('customer', old.customer_id, new.customer_id)) then
        raise exception 'invoice % is issued and cannot be changed', old.number
            using errcode = 'restrict_violation', constraint = 'invoice_immutable';
    end if;
    if old.status <> 'draft' and new.status = 'draft' then
        raise exception 'invoice % is issued and cannot become a draft again', old.number
            using errcode = 'restrict_violation', constraint = 'invoice_immutable';
    end if;
    return new;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create or replace function invoice_line_is_immutable() returns trigger language plpgsql as $$
begin
    if exists (select from invoices i where i.organization_id = old.organization_id and i.status <> 'draft'
            and (i.id = old.invoice_id or tg_op = 'UPDATE' and i.id = new.invoice_id)) then
        if tg_op = 'UPDATE' and to_jsonb(new) - 'product_id' = to_jsonb(old) - 'product_id'
            and crmhub_merged('product', old.product_id, new.product_id) then
            return new;
        end if;
        raise exception 'a line of an issued invoice cannot be changed'
            using errcode = 'restrict_violation', constraint = 'invoice_immutable';
    end if;
    return coalesce(new, old);
end $$;
-- +goose StatementEnd
