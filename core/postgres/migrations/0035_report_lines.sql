-- +goose Up
-- Reports by product read lines with what their documents say: joined anew for each report, some millions of them take
-- several seconds. booked_lines and invoiced_lines hold each line of a document that counts, beside the little of both that
-- is added up; a document without lines has one, of seq -1. The conditions are those of package report, word for word.
--
-- Triggers write them in the transaction that writes the document, row by row of its own: writers of different documents
-- wait for nothing of each other. They run as crmhub_lookup, since who writes a document need not see all of it; to read
-- the lines takes the right to read the document.

-- +goose StatementBegin
do $do$
declare
    k record;
    statement text;
begin
    for k in select * from (values
        ('booked', 'order', 'date', $$status not in ('draft', 'submitted', 'cancelled')$$),
        ('invoiced', 'invoice', 'issue_date', $$status not in ('draft', 'cancelled')$$)) v (done, kind, dated, counts)
    loop
        foreach statement in array array[
$q$create table {done}_lines (
    organization_id uuid not null,
    {kind}_id       uuid not null,
    seq             integer not null,
    date            date not null,
    product_id      uuid,
    customer_id     uuid not null,
    owner_id        uuid,
    currency        char(3) not null,
    rate_to_base    numeric(20, 10) not null,
    untaxed         numeric(20, 4) not null,
    primary key (organization_id, {kind}_id, seq)
)$q$,
$q$alter table {done}_lines enable row level security$q$,
$q$alter table {done}_lines force row level security$q$,
$q$create policy own on {done}_lines for select to crmhub_app using (organization_id = crmhub_organization())$q$,
$q$create policy reach_select on {done}_lines as restrictive for select to crmhub_app
    using ((select crmhub_whole('{kind}.read')) or owner_id in (select o from crmhub_owners('{kind}.read') o))$q$,
$q$grant select on {done}_lines to crmhub_app$q$,
$q$create policy keep on {done}_lines to crmhub_lookup using (true)$q$,
$q$grant select, insert, update, delete on {done}_lines to crmhub_lookup$q$,
$q$grant select (organization_id, id, status, deleted_at, {dated}, customer_id, owner_id, currency, rate_to_base, untaxed) on {kind}s to crmhub_lookup$q$,
$q$create policy find on {kind}_lines for select to crmhub_lookup using (true)$q$,
$q$grant select (organization_id, {kind}_id, seq, product_id, untaxed) on {kind}_lines to crmhub_lookup$q$,

-- A new document, still without lines.
$q$create function {done}_new() returns trigger language plpgsql security definer set search_path from current as $f$
begin
    insert into {done}_lines (organization_id, {kind}_id, seq, date, customer_id, owner_id, currency, rate_to_base, untaxed)
    select organization_id, id, -1, {dated}, customer_id, owner_id, currency, rate_to_base, untaxed
    from added where deleted_at is null and {counts};
    return null;
end $f$$q$,

-- A document that begins or ceases to count, or says something else.
$q$create function {done}_changed() returns trigger language plpgsql security definer set search_path from current as $f$
declare
    was constant boolean := old.deleted_at is null and old.{counts};
    is_ constant boolean := new.deleted_at is null and new.{counts};
begin
    if was and is_ then
        update {done}_lines set date = new.{dated}, customer_id = new.customer_id, owner_id = new.owner_id, currency = new.currency,
            rate_to_base = new.rate_to_base, untaxed = case when seq < 0 then new.untaxed else untaxed end
        where organization_id = new.organization_id and {kind}_id = new.id;
    elsif was then
        delete from {done}_lines where organization_id = old.organization_id and {kind}_id = old.id;
    elsif is_ then
        insert into {done}_lines (organization_id, {kind}_id, seq, date, product_id, customer_id, owner_id, currency, rate_to_base, untaxed)
        select new.organization_id, new.id, coalesce(l.seq, -1), new.{dated}, l.product_id, new.customer_id, new.owner_id, new.currency, new.rate_to_base,
            coalesce(l.untaxed, new.untaxed)
        from (values (1)) one left join {kind}_lines l on l.organization_id = new.organization_id and l.{kind}_id = new.id;
    end if;
    return null;
end $f$$q$,

$q$create function {done}_gone() returns trigger language plpgsql security definer set search_path from current as $f$
begin
    delete from {done}_lines f using gone d where f.organization_id = d.organization_id and f.{kind}_id = d.id;
    return null;
end $f$$q$,

-- Lines that come, go or change. A document that lost its last one has its own amount again.
$q$create function {done}_lines_changed() returns trigger language plpgsql security definer set search_path from current as $f$
begin
    if tg_op <> 'INSERT' then
        delete from {done}_lines f using gone l where f.organization_id = l.organization_id and f.{kind}_id = l.{kind}_id and f.seq = l.seq;
        insert into {done}_lines (organization_id, {kind}_id, seq, date, customer_id, owner_id, currency, rate_to_base, untaxed)
        select d.organization_id, d.id, -1, d.{dated}, d.customer_id, d.owner_id, d.currency, d.rate_to_base, d.untaxed
        from (select distinct organization_id, {kind}_id from gone) g
        join {kind}s d on d.organization_id = g.organization_id and d.id = g.{kind}_id
        where d.deleted_at is null and d.{counts}
            and not exists (select from {kind}_lines l where l.organization_id = d.organization_id and l.{kind}_id = d.id)
        on conflict do nothing;
    end if;
    if tg_op <> 'DELETE' then
        delete from {done}_lines f using (select distinct organization_id, {kind}_id from added) l
        where f.organization_id = l.organization_id and f.{kind}_id = l.{kind}_id and f.seq < 0;
        insert into {done}_lines (organization_id, {kind}_id, seq, date, product_id, customer_id, owner_id, currency, rate_to_base, untaxed)
        select d.organization_id, d.id, l.seq, d.{dated}, l.product_id, d.customer_id, d.owner_id, d.currency, d.rate_to_base, l.untaxed
        from added l join {kind}s d on d.organization_id = l.organization_id and d.id = l.{kind}_id
        where d.deleted_at is null and d.{counts};
    end if;
    return null;
end $f$$q$,

$q$create trigger {done}_new after insert on {kind}s referencing new table as added for each statement execute function {done}_new()$q$,
$q$create trigger {done}_changed after update on {kind}s for each row
    when ((old.deleted_at is null and old.{counts}) is distinct from (new.deleted_at is null and new.{counts})
        or new.deleted_at is null and (old.{dated}, old.customer_id, old.owner_id, old.currency, old.rate_to_base, old.untaxed)
            is distinct from (new.{dated}, new.customer_id, new.owner_id, new.currency, new.rate_to_base, new.untaxed))
    execute function {done}_changed()$q$,
$q$create trigger {done}_gone after delete on {kind}s referencing old table as gone for each statement execute function {done}_gone()$q$,
$q$create trigger {done}_lines_new after insert on {kind}_lines referencing new table as added
    for each statement execute function {done}_lines_changed()$q$,
$q$create trigger {done}_lines_changed after update on {kind}_lines referencing old table as gone new table as added
    for each statement execute function {done}_lines_changed()$q$,
$q$create trigger {done}_lines_gone after delete on {kind}_lines referencing old table as gone
    for each statement execute function {done}_lines_changed()$q$,
$q$revoke execute on function {done}_new(), {done}_changed(), {done}_gone(), {done}_lines_changed() from public$q$,

-- What is there already.
$q$set local role crmhub_lookup$q$,
$q$insert into {done}_lines (organization_id, {kind}_id, seq, date, product_id, customer_id, owner_id, currency, rate_to_base, untaxed)
    select d.organization_id, d.id, coalesce(l.seq, -1), d.{dated}, l.product_id, d.customer_id, d.owner_id, d.currency, d.rate_to_base,
        coalesce(l.untaxed, d.untaxed)
    from {kind}s d left join {kind}_lines l on l.organization_id = d.organization_id and l.{kind}_id = d.id
    where d.deleted_at is null and d.{counts}$q$,
$q$reset role$q$,
$q$create index {done}_lines_date on {done}_lines (organization_id, date)
    include (product_id, customer_id, owner_id, currency, rate_to_base, untaxed)$q$,
$q$do $d$ begin if pg_relation_size('{done}_lines') > 0 then analyze {done}_lines; end if; end $d$$q$
        ] loop
            execute replace(replace(replace(replace(statement, '{done}', k.done), '{kind}', k.kind), '{dated}', k.dated), '{counts}', k.counts);
        end loop;
    end loop;
end $do$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
declare f text;
begin
    execute format('grant create on schema %I to crmhub_lookup', current_schema());
    foreach f in array array['booked_new()', 'booked_changed()', 'booked_gone()', 'booked_lines_changed()',
            'invoiced_new()', 'invoiced_changed()', 'invoiced_gone()', 'invoiced_lines_changed()'] loop
        execute format('alter function %s owner to crmhub_lookup', f);
    end loop;
    execute format('revoke create on schema %I from crmhub_lookup', current_schema());
end $$;
-- +goose StatementEnd
