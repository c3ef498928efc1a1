-- +goose Up
-- Reports by customer and region turn each of some million documents into the base currency, and look for the region among
-- as many addresses. booked_documents and invoiced_documents hold what is added up of a document that counts, with its untaxed
-- amount in the base currency, rounded as its amounts are; customer_regions holds where a customer's bill goes. Triggers write
-- them in the transaction that writes the document or the address, a row for a row, as crmhub_lookup (see 0035).

-- How many decimals a currency counts in. Package money says the same; a test holds them together.
-- +goose StatementBegin
create function crmhub_digits(currency text) returns integer language sql immutable parallel safe
return case
    when currency = any ('{ADP,AFN,ALL,AMD,BIF,BYR,CLP,COP,DJF,ESP,GNF,GYD,IDR,IQD,IRR,ISK,ITL,JPY,KMF,KPW,KRW,LAK,LBP,LUF,MGA,MGF,MMK,MNT,MRO,MUR,PKR,PYG,RSD,RWF,SLL,SOS,STD,SYP,TMM,TRL,TZS,UGX,UYI,UZS,VND,VUV,XAF,XOF,XPF,YER,ZMK,ZWD}'::text[]) then 0
    when currency = any ('{BHD,JOD,KWD,LYD,OMR,TND}'::text[]) then 3
    when currency = 'CLF' then 4
    else 2
end;
-- +goose StatementEnd

-- The rates of all documents are to the base currency.
-- +goose StatementBegin
create function base_currency_stays() returns trigger language plpgsql as $$
begin
    raise exception 'the base currency of an organization never changes';
end $$;
-- +goose StatementEnd
create trigger base_currency_stays before update on organizations for each row
    when (old.base_currency <> new.base_currency) execute function base_currency_stays();

create policy find on organizations for select to crmhub_lookup using (true);
grant select (id, base_currency) on organizations to crmhub_lookup;
grant select (kind) on invoices to crmhub_lookup;

-- +goose StatementBegin
do $do$
declare
    k record;
    statement text;
begin
    for k in select * from (values
        ('booked', 'order', 'date', $$status not in ('draft', 'submitted', 'cancelled')$$, ''),
        ('invoiced', 'invoice', 'issue_date', $$status not in ('draft', 'cancelled')$$, 'kind')) v (done, kind, dated, counts, what)
    loop
        foreach statement in array array[
$q$create table {done}_documents (
    organization_id uuid not null,
    {kind}_id       uuid not null,
    date            date not null,
    customer_id     uuid not null,
    owner_id        uuid,
    currency        char(3) not null,
    untaxed         numeric(20, 4) not null,
    base            numeric not null,{column}
    primary key (organization_id, {kind}_id)
)$q$,
$q$alter table {done}_documents enable row level security$q$,
$q$alter table {done}_documents force row level security$q$,
$q$create policy own on {done}_documents for select to crmhub_app using (organization_id = crmhub_organization())$q$,
$q$create policy reach_select on {done}_documents as restrictive for select to crmhub_app
    using ((select crmhub_whole('{kind}.read')) or owner_id in (select o from crmhub_owners('{kind}.read') o))$q$,
$q$grant select on {done}_documents to crmhub_app$q$,
$q$create policy keep on {done}_documents to crmhub_lookup using (true)$q$,
$q$grant select, insert, update, delete on {done}_documents to crmhub_lookup$q$,

$q$create function {done}_documents_new() returns trigger language plpgsql security definer set search_path from current as $f$
begin
    insert into {done}_documents (organization_id, {kind}_id, date, customer_id, owner_id, currency, untaxed, base{names})
    select d.organization_id, d.id, d.{dated}, d.customer_id, d.owner_id, d.currency, d.untaxed, round(d.untaxed * d.rate_to_base, crmhub_digits(o.base_currency)){values}
    from added d join organizations o on o.id = d.organization_id
    where d.deleted_at is null and d.{counts};
    return null;
end $f$$q$,

$q$create function {done}_documents_changed() returns trigger language plpgsql security definer set search_path from current as $f$
begin
    if new.deleted_at is null and new.{counts} then
        insert into {done}_documents (organization_id, {kind}_id, date, customer_id, owner_id, currency, untaxed, base{names})
        select d.organization_id, d.id, d.{dated}, d.customer_id, d.owner_id, d.currency, d.untaxed, round(d.untaxed * d.rate_to_base, crmhub_digits(o.base_currency)){values}
        from (select new.*) d join organizations o on o.id = d.organization_id
        on conflict (organization_id, {kind}_id) do update set date = excluded.date, customer_id = excluded.customer_id, owner_id = excluded.owner_id,
            currency = excluded.currency, untaxed = excluded.untaxed, base = excluded.base{again};
    else
        delete from {done}_documents where organization_id = old.organization_id and {kind}_id = old.id;
    end if;
    return null;
end $f$$q$,

$q$create function {done}_documents_gone() returns trigger language plpgsql security definer set search_path from current as $f$
begin
    delete from {done}_documents f using gone d where f.organization_id = d.organization_id and f.{kind}_id = d.id;
    return null;
end $f$$q$,

$q$create trigger {done}_documents_new after insert on {kind}s referencing new table as added for each statement execute function {done}_documents_new()$q$,
$q$create trigger {done}_documents_changed after update on {kind}s for each row
    when ((old.deleted_at is null and old.{counts}) is distinct from (new.deleted_at is null and new.{counts})
        or new.deleted_at is null and new.{counts} and (old.{dated}, old.customer_id, old.owner_id, old.currency, old.rate_to_base, old.untaxed{was})
            is distinct from (new.{dated}, new.customer_id, new.owner_id, new.currency, new.rate_to_base, new.untaxed{is}))
    execute function {done}_documents_changed()$q$,
$q$create trigger {done}_documents_gone after delete on {kind}s referencing old table as gone for each statement execute function {done}_documents_gone()$q$,
$q$revoke execute on function {done}_documents_new(), {done}_documents_changed(), {done}_documents_gone() from public$q$,

-- What is there already.
$q$set local role crmhub_lookup$q$,
$q$insert into {done}_documents (organization_id, {kind}_id, date, customer_id, owner_id, currency, untaxed, base{names})
    select d.organization_id, d.id, d.{dated}, d.customer_id, d.owner_id, d.currency, d.untaxed, round(d.untaxed * d.rate_to_base, crmhub_digits(o.base_currency)){values}
    from {kind}s d join organizations o on o.id = d.organization_id
    where d.deleted_at is null and d.{counts}$q$,
$q$reset role$q$,
-- By customer, so that sums by customer come in order.
$q$create index {done}_documents_customer on {done}_documents (organization_id, customer_id, date)
    include ({kind}_id, owner_id, currency, untaxed, base)$q$,
$q$do $d$ begin if pg_relation_size('{done}_documents') > 0 then analyze {done}_documents; end if; end $d$$q$
        ] loop
            statement := replace(replace(replace(replace(statement, '{done}', k.done), '{kind}', k.kind), '{dated}', k.dated), '{counts}', k.counts);
            statement := replace(statement, '{column}', case k.what when '' then '' else E'\n    kind            text not null,' end);
            statement := replace(statement, '{names}', case k.what when '' then '' else ', kind' end);
            statement := replace(statement, '{values}', case k.what when '' then '' else ', d.kind' end);
            statement := replace(statement, '{again}', case k.what when '' then '' else ', kind = excluded.kind' end);
            statement := replace(statement, '{was}', case k.what when '' then '' else ', old.kind' end);
            statement := replace(statement, '{is}', case k.what when '' then '' else ', new.kind' end);
            execute statement;
        end loop;
    end loop;
end $do$;
-- +goose StatementEnd
create index invoiced_documents_credited on invoiced_documents (organization_id, customer_id, date)
    include (owner_id, currency, base) where kind = 'credit_note';
-- Reports read the rows above instead.
drop index orders_counted;

-- Where a customer's bill goes: his first bill address, else his first. A customer is locked by who writes his addresses or gives him
-- to another owner, so that two of them do not meet here.
create table customer_regions (
    organization_id uuid not null,
    customer_id     uuid not null,
    owner_id        uuid,
    country         text,
    province        text,
    primary key (organization_id, customer_id) include (owner_id, country, province)
);
alter table customer_regions enable row level security;
alter table customer_regions force row level security;
create policy own on customer_regions for select to crmhub_app using (organization_id = crmhub_organization());
create policy reach_select on customer_regions as restrictive for select to crmhub_app
    using ((select crmhub_whole('customer.read')) or owner_id in (select o from crmhub_owners('customer.read') o));
grant select on customer_regions to crmhub_app;
create policy keep on customer_regions to crmhub_lookup using (true);
grant select, insert, update, delete on customer_regions to crmhub_lookup;
create policy find on customer_addresses for select to crmhub_lookup using (true);
grant select (organization_id, customer_id, seq, kind, country, province) on customer_addresses to crmhub_lookup;

-- +goose StatementBegin
create function customer_regions_write() returns trigger language plpgsql security definer set search_path from current as $$
begin
    if tg_op <> 'INSERT' then
        delete from customer_regions r using (select distinct organization_id, customer_id from touched) t
        where r.organization_id = t.organization_id and r.customer_id = t.customer_id
            and not exists (select from customer_addresses a where a.organization_id = r.organization_id and a.customer_id = r.customer_id);
    end if;
    insert into customer_regions (organization_id, customer_id, owner_id, country, province)
    select c.organization_id, c.id, c.owner_id, a.country, a.province
    from (select distinct organization_id, customer_id from touched) t
    join customers c on c.organization_id = t.organization_id and c.id = t.customer_id
    cross join lateral (
        select country, province from customer_addresses where organization_id = c.organization_id and customer_id = c.id order by kind <> 'bill', seq limit 1
    ) a
    on conflict (organization_id, customer_id) do update set country = excluded.country, province = excluded.province
    where (customer_regions.country, customer_regions.province) is distinct from (excluded.country, excluded.province);
    return null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function customer_regions_given() returns trigger language plpgsql security definer set search_path from current as $$
begin
    update customer_regions set owner_id = new.owner_id where organization_id = new.organization_id and customer_id = new.id;
    return null;
end $$;
-- +goose StatementEnd
create trigger customer_regions_new after insert on customer_addresses referencing new table as touched
    for each statement execute function customer_regions_write();
create trigger customer_regions_before after update on customer_addresses referencing old table as touched
    for each statement execute function customer_regions_write();
create trigger customer_regions_after after update on customer_addresses referencing new table as touched
    for each statement execute function customer_regions_write();
create trigger customer_regions_gone after delete on customer_addresses referencing old table as touched
    for each statement execute function customer_regions_write();
create trigger customer_regions_given after update on customers for each row
    when (old.owner_id is distinct from new.owner_id) execute function customer_regions_given();
revoke execute on function customer_regions_write(), customer_regions_given() from public;

set local role crmhub_lookup;
insert into customer_regions (organization_id, customer_id, owner_id, country, province)
select distinct on (a.organization_id, a.customer_id) a.organization_id, a.customer_id, w.owner_id, a.country, a.province
from customer_addresses a join customers w on w.organization_id = a.organization_id and w.id = a.customer_id
order by a.organization_id, a.customer_id, a.kind <> 'bill', a.seq;
reset role;
-- +goose StatementBegin
do $$ begin if pg_relation_size('customer_regions') > 0 then analyze customer_regions; end if; end $$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
declare f text;
begin
    execute format('grant create on schema %I to crmhub_lookup', current_schema());
    foreach f in array array['booked_documents_new()', 'booked_documents_changed()', 'booked_documents_gone()',
            'invoiced_documents_new()', 'invoiced_documents_changed()', 'invoiced_documents_gone()', 'customer_regions_write()', 'customer_regions_given()'] loop
        execute format('alter function %s owner to crmhub_lookup', f);
    end loop;
    execute format('revoke create on schema %I from crmhub_lookup', current_schema());
end $$;
-- +goose StatementEnd

-- What is open of invoices, what orders are still to be done, what was paid by whom, and who may become a customer, with what
-- reports ask of a row.
create index invoices_open on invoices (organization_id, customer_id)
    include (id, issue_date, due_date, currency, rate_to_base, residual, owner_id)
    where deleted_at is null and status not in ('draft', 'cancelled') and residual <> 0;
create index orders_open on orders (organization_id) include (id, owner_id, rate_to_base, untaxed)
    where deleted_at is null and status in ('confirmed', 'in_progress', 'on_hold');
create index payments_of_customer on payments (organization_id, customer_id, currency)
    include (date, amount, owner_id)
    where deleted_at is null and status = 'posted';
create index customers_prospects on customers (organization_id, id)
    include (owner_id, last_contact_at, next_contact_at, level, employees, phone, email)
    where deleted_at is null and lifecycle in ('lead', 'potential') and not is_frozen;
drop index orders_quoted;
create index orders_quoted on orders (organization_id, customer_id) include (owner_id)
    where deleted_at is null and status in ('draft', 'submitted');
