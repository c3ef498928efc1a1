-- +goose Up
-- Who may see and do what: departments, roles, and the policies that keep rows from those who may not see them.
--
-- A transaction of crmhub_app says in the setting crmhub.reach how far it sees: '*' is the whole organization (the hub
-- itself and connections), else a list like ';customer.read=own;customer.change=own;*.read=department'. The words are
--     read    rows that may be seen
--     create  rows that may be added
--     change  rows that may be updated, deleted, given to another owner, merged or approved
-- and scopes: own, department, department_tree, organization. Whose rows the first three are, crmhub.own,
-- crmhub.department and crmhub.department_tree say, each the ids of users. What is unset or unknown is nothing.
-- Roles say more than rows: package access reads all of it, and package postgres (Reach) writes the settings.
--
-- A table that comes later is guarded with two calls, after the policy `own` of migration 0002:
--     call guard_rows('opportunities', 'opportunity');
--     call guard_part('opportunity_lines', 'opportunity_id', 'opportunities', 'opportunity');
-- and its kind is given to the presets with call preset_grant(…) if the grants below do not name it yet.

create table departments (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null,
    parent_id       uuid,
    name            text not null check (name <> ''),
    path            text not null, -- the ids from the root to this one: /0199…/0199…/
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    primary key (organization_id, id),
    foreign key (organization_id, parent_id) references departments
);
create unique index departments_name on departments (organization_id, coalesce(parent_id, organization_id), lower(name));
create index departments_path on departments (organization_id, path text_pattern_ops);

alter table users add department_id uuid;
alter table users add foreign key (organization_id, department_id) references departments;
create index users_department on users (organization_id, department_id);

create table roles (
    organization_id uuid not null default crmhub_organization() references organizations,
    id              uuid not null default gen_random_uuid(),
    code            text not null check (code ~ '^[a-z][a-z0-9_]{0,40}$'),
    name            text not null check (name <> ''),
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    primary key (organization_id, id),
    unique (organization_id, code)
);

-- '*' is every resource or every action, those of later versions too.
create table role_grants (
    organization_id uuid not null default crmhub_organization(),
    role_id         uuid not null,
    resource        text not null,
    action          text not null,
    scope           text not null check (scope in ('own', 'department', 'department_tree', 'organization')),
    primary key (organization_id, role_id, resource, action),
    foreign key (organization_id, role_id) references roles on delete cascade
);

-- Fields that a role sees or writes less of than its grants say.
create table role_fields (
    organization_id uuid not null default crmhub_organization(),
    role_id         uuid not null,
    resource        text not null,
    field           text not null,
    access          text not null check (access in ('hidden', 'masked', 'read')),
    primary key (organization_id, role_id, resource, field),
    foreign key (organization_id, role_id) references roles on delete cascade
);

create table user_roles (
    organization_id uuid not null default crmhub_organization(),
    user_id         uuid not null,
    role_id         uuid not null,
    primary key (organization_id, user_id, role_id),
    foreign key (organization_id, user_id) references users on delete cascade,
    foreign key (organization_id, role_id) references roles on delete cascade
);
create index user_roles_role on user_roles (organization_id, role_id);

-- What an API token may do of what its user may: customer:read, order:*, *:read. Empty: all of it.
alter table api_tokens add scopes text[] not null default '{}';

-- +goose StatementBegin
do $$
declare t text;
begin
    foreach t in array array['departments', 'roles', 'role_grants', 'role_fields', 'user_roles'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy own on %I to crmhub_app using (organization_id = crmhub_organization())', t);
        execute format('create policy every on %I to crmhub_system using (true)', t);
        execute format('grant select, insert, update, delete on %I to crmhub_app', t);
    end loop;
end $$;
-- +goose StatementEnd
-- Signing in reads what somebody may do; making an organization gives it its roles.
grant select on departments to crmhub_system;
grant select, insert on roles, role_grants, role_fields, user_roles to crmhub_system;

-- Everything a user may do can be remembered as long as this number stays: it moves with each change below.
alter table organizations add access_version bigint not null default 0;
-- +goose StatementBegin
create function access_changed() returns trigger language plpgsql as $$
begin
    update organizations set access_version = pg_current_xact_id()::text::bigint
    where id = coalesce(new.organization_id, old.organization_id) and access_version <> pg_current_xact_id()::text::bigint;
    return null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
do $$
declare t text;
begin
    -- Not from within a trigger: an organization that was just made has nothing to forget.
    foreach t in array array['departments', 'roles', 'role_grants', 'role_fields', 'user_roles'] loop
        execute format('create trigger access_changed after insert or update or delete on %I for each row when (pg_trigger_depth() = 0)
            execute function access_changed()', t);
    end loop;
end $$;
-- +goose StatementEnd
create trigger access_changed_by_entry after insert on users for each row when (pg_trigger_depth() = 0) execute function access_changed();
create trigger access_changed_by_move after update of department_id, status on users for each row
    when (old.department_id is distinct from new.department_id or old.status <> new.status) execute function access_changed();

-- The presets: roles that every organization begins with, and may change. Here they stand as they come.
create table preset_roles (
    code text primary key,
    name text not null
);
create table preset_grants (
    role     text not null references preset_roles,
    resource text not null,
    action   text not null,
    scope    text not null,
    primary key (role, resource, action)
);
create table preset_fields (
    role     text not null references preset_roles,
    resource text not null,
    field    text not null,
    access   text not null,
    primary key (role, resource, field)
);
grant select, insert on preset_roles, preset_grants, preset_fields to crmhub_system;

-- +goose StatementBegin
create function add_preset_roles() returns trigger language plpgsql as $$
begin
    insert into roles (organization_id, code, name) select new.id, p.code, p.name from preset_roles p;
    insert into role_grants (organization_id, role_id, resource, action, scope)
        select r.organization_id, r.id, p.resource, p.action, p.scope
        from roles r join preset_grants p on p.role = r.code where r.organization_id = new.id;
    insert into role_fields (organization_id, role_id, resource, field, access)
        select r.organization_id, r.id, p.resource, p.field, p.access
        from roles r join preset_fields p on p.role = r.code where r.organization_id = new.id;
    return null;
end $$;
-- +goose StatementEnd
create trigger add_preset_roles after insert on organizations for each row execute function add_preset_roles();

-- The three below add to the presets, and to the roles of the organizations there are. Migrations call them as crmhub_system.
-- +goose StatementBegin
create procedure preset_role(code text, name text) language plpgsql as $$
begin
    insert into preset_roles values (code, name);
    insert into roles (organization_id, code, name) select o.id, preset_role.code, preset_role.name from organizations o on conflict do nothing;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create procedure preset_grant(role text, resources text[], actions text[], scope text) language plpgsql as $$
begin
    insert into preset_grants select preset_grant.role, r, a, preset_grant.scope from unnest(resources) r, unnest(actions) a;
    insert into role_grants (organization_id, role_id, resource, action, scope)
        select o.organization_id, o.id, r, a, preset_grant.scope
        from roles o, unnest(resources) r, unnest(actions) a where o.code = preset_grant.role on conflict do nothing;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create procedure preset_field(role text, resource text, fields text[], access text) language plpgsql as $$
begin
    insert into preset_fields select preset_field.role, preset_field.resource, f, preset_field.access from unnest(fields) f;
    insert into role_fields (organization_id, role_id, resource, field, access)
        select o.organization_id, o.id, preset_field.resource, f, preset_field.access
        from roles o, unnest(fields) f where o.code = preset_field.role on conflict do nothing;
end $$;
-- +goose StatementEnd

set local role crmhub_system;

call preset_role('admin', 'Administrator');
call preset_grant('admin', '{*}', '{*}', 'organization');

call preset_role('sales_manager', 'Sales manager');
call preset_grant('sales_manager', '{customer,contact,opportunity,order,contract,activity,task}',
    '{read,create,update,delete,assign,export,import,reveal}', 'department_tree');
call preset_grant('sales_manager', '{customer,contact}', '{merge}', 'department_tree');
call preset_grant('sales_manager', '{order,contract}', '{approve}', 'department_tree');
call preset_grant('sales_manager', '{ticket,feedback}', '{read,create,update,assign}', 'department_tree');
call preset_grant('sales_manager', '{invoice,payment}', '{read,export}', 'department_tree');

call preset_role('sales', 'Sales');
call preset_grant('sales', '{customer,contact,opportunity,order,contract,activity,task}', '{read,create,update}', 'own');
call preset_grant('sales', '{ticket}', '{read,create}', 'own');
call preset_grant('sales', '{invoice,payment,feedback}', '{read}', 'own');

-- Whom a campaign reaches is chosen without seeing anybody's number.
call preset_role('marketing', 'Marketing');
call preset_grant('marketing', '{customer,contact,order}', '{read}', 'organization');
call preset_grant('marketing', '{campaign,campaign_member,segment,feedback}', '{read,create,update,delete,assign,export,import}', 'organization');
call preset_grant('marketing', '{activity,task}', '{read,create,update}', 'own');
call preset_field('marketing', 'customer', '{phone,email,invoice_profiles,credit_limit}', 'hidden');
call preset_field('marketing', 'contact', '{mobile,phone,email}', 'hidden');

call preset_role('service', 'Service');
call preset_grant('service', '{ticket,feedback}', '{read,create,update,delete,assign,export,import}', 'organization');
call preset_grant('service', '{customer,contact,order}', '{read}', 'organization');
call preset_grant('service', '{activity,task}', '{read,create,update}', 'own');
call preset_field('service', 'customer', '{invoice_profiles,payment_term,credit_limit,is_frozen,annual_revenue}', 'hidden');
call preset_field('service', 'order', '{untaxed,tax,total,payment_term,billing_status,payment_status,lines}', 'hidden');

-- Of a customer, finance writes what the credit hangs on.
call preset_role('finance', 'Finance');
call preset_grant('finance', '{invoice,payment}', '{read,create,update,delete,assign,export,import,approve,reveal}', 'organization');
call preset_grant('finance', '{customer}', '{read,update,export,reveal}', 'organization');
call preset_grant('finance', '{contact,order,contract}', '{read,export}', 'organization');
call preset_field('finance', 'customer', '{code,name,kind,lifecycle,level,industry,source,parent_id,owner_id,phone,email,website,
    employees,annual_revenue,remark,last_contact_at,next_contact_at,addresses,tags,ext}', 'read');

-- Keeps the connections going, and sees of the business what a record is recognized by.
call preset_role('integrator', 'Integrator');
call preset_grant('integrator', '{connection,job,dead_letter}', '{*}', 'organization');
call preset_grant('integrator', '{customer,contact,order,invoice,payment,opportunity,contract}', '{read}', 'organization');
call preset_field('integrator', 'customer', '{phone,email,uscc,tax_id,website}', 'masked');
call preset_field('integrator', 'customer', '{credit_limit,annual_revenue,employees,remark,addresses,invoice_profiles,payment_term}', 'hidden');
call preset_field('integrator', 'contact', '{mobile,phone,email}', 'masked');
call preset_field('integrator', 'contact', '{remark}', 'hidden');
call preset_field('integrator', 'order', '{untaxed,tax,total,lines,bill_address,ship_address,remark}', 'hidden');
call preset_field('integrator', 'invoice', '{untaxed,tax,total,residual,lines,remark}', 'hidden');
call preset_field('integrator', 'payment', '{amount,allocations,remark}', 'hidden');
call preset_field('integrator', 'opportunity', '{amount,lines,remark}', 'hidden');
call preset_field('integrator', 'contract', '{amount,remark}', 'hidden');

call preset_role('auditor', 'Auditor');
call preset_grant('auditor', '{*}', '{read}', 'organization');
call preset_grant('auditor', '{audit,report}', '{export}', 'organization');

-- What everybody who works with records needs besides: whom and what they may refer to, and tokens of their own.
-- +goose StatementBegin
do $$
declare r text;
begin
    foreach r in array array['sales_manager', 'sales', 'marketing', 'service', 'finance', 'integrator'] loop
        call preset_grant(r, '{user,organization,product,pipeline,price,currency_rate,custom_field}', '{read}', 'organization');
        call preset_grant(r, '{token}', '{read,create,delete}', 'own');
    end loop;
    foreach r in array array['sales_manager', 'sales', 'service', 'finance'] loop
        call preset_grant(r, '{campaign,segment}', '{read}', 'organization');
    end loop;
    foreach r in array array['sales_manager', 'sales', 'marketing', 'service', 'finance'] loop
        call preset_grant(r, '{report}', '{read}', 'organization');
    end loop;
    foreach r in array array['sales_manager', 'marketing', 'finance'] loop
        call preset_grant(r, '{report}', '{export}', 'organization');
    end loop;
end $$;
-- +goose StatementEnd

-- Until now everybody could do everything.
insert into user_roles (organization_id, user_id, role_id)
    select u.organization_id, u.id, r.id from users u join roles r on r.organization_id = u.organization_id and r.code = 'admin';
reset role;

-- How far the transaction reaches with what it wants ('customer.read'): a scope, null for nothing.
create function crmhub_scope(wanted text) returns text language sql stable parallel safe
    return case current_setting('crmhub.reach', true)
        when '*' then 'organization'
        else coalesce(
            nullif(split_part(split_part(current_setting('crmhub.reach', true), ';' || wanted || '=', 2), ';', 1), ''),
            nullif(split_part(split_part(current_setting('crmhub.reach', true), ';*.' || split_part(wanted, '.', 2) || '=', 2), ';', 1), ''))
    end;

-- Does the transaction reach every row?
create function crmhub_whole(wanted text) returns boolean language sql stable parallel safe
    return coalesce(crmhub_scope(wanted) = 'organization', false);

-- The users whose rows it reaches where it does not reach every row.
-- +goose StatementBegin
create function crmhub_owners(wanted text) returns setof uuid language sql stable parallel safe
begin atomic
    select o from unnest(nullif(case crmhub_scope(wanted)
        when 'own' then current_setting('crmhub.own', true)
        when 'department' then current_setting('crmhub.department', true)
        when 'department_tree' then current_setting('crmhub.department_tree', true)
    end, '')::uuid[]) o;
end;
-- +goose StatementEnd

-- guard_rows keeps a table's rows from transactions that do not reach them, by owner_id. A table without one is reached
-- as a whole or not at all, and so are rows without an owner.
--
-- The policies are restrictive: they narrow what the policy `own` allows. Both questions are sub-selects that name no
-- column, so a statement asks them once, not for each row: the first ends in a constant, the second in a hash table. The
-- second reads from the function as from a table, since PostgreSQL 15 lets no parallel worker run a sub-select without one.
-- No condition of that form can be looked up in an index. A list of a narrow scope therefore names the owners itself
-- (crm.List), and the index made here serves it; rows without an owner, as most of a connection's are, do not pay for it.
-- +goose StatementBegin
create procedure guard_rows(guarded text, resource text) language plpgsql as $$
declare
    owned boolean := exists (select from pg_attribute where attrelid = guarded::regclass and attname = 'owner_id' and not attisdropped);
    reached text := '(select crmhub_whole(%1$L))' || case when owned then ' or owner_id in (select o from crmhub_owners(%1$L) o)' else '' end;
    reads text := format(reached, resource || '.read');
    creates text := format(reached, resource || '.create');
    changes text := format(reached, resource || '.change');
begin
    execute format('create policy reach_select on %I as restrictive for select to crmhub_app using (%s)', guarded, reads);
    execute format('create policy reach_insert on %I as restrictive for insert to crmhub_app with check (%s)', guarded, creates);
    execute format('create policy reach_update on %I as restrictive for update to crmhub_app using (%s)', guarded, changes);
    execute format('create policy reach_delete on %I as restrictive for delete to crmhub_app using (%s)', guarded, changes);
    if owned then
        execute format('create index %I on %I (organization_id, owner_id, updated_at desc, id desc)
            where deleted_at is null and owner_id is not null', guarded || '_owner', guarded);
    end if;
end $$;
-- +goose StatementEnd

-- guard_part does the same for a table of an entity's parts: they are reached as the row is that they belong to.
-- +goose StatementBegin
create procedure guard_part(guarded text, parent_column text, parent text, resource text) language plpgsql as $$
declare
    owned boolean := exists (select from pg_attribute where attrelid = parent::regclass and attname = 'owner_id' and not attisdropped);
    of_parent text := format('exists (select from %I p where p.id = %I.%I', parent, guarded, parent_column);
    reads text := format('(select crmhub_whole(%L)) or %s)', resource || '.read', of_parent);
    writes text := format('(select crmhub_whole(%1$L) or crmhub_whole(%2$L))', resource || '.create', resource || '.change')
        || case when owned then format(' or %3$s and (p.owner_id in (select o from crmhub_owners(%1$L) o) or p.owner_id in (select o from crmhub_owners(%2$L) o)))',
            resource || '.create', resource || '.change', of_parent) else '' end;
begin
    execute format('create policy reach_select on %I as restrictive for select to crmhub_app using (%s)', guarded, reads);
    execute format('create policy reach_insert on %I as restrictive for insert to crmhub_app with check (%s)', guarded, writes);
    execute format('create policy reach_update on %I as restrictive for update to crmhub_app using (%s)', guarded, writes);
    execute format('create policy reach_delete on %I as restrictive for delete to crmhub_app using (%s)', guarded, writes);
end $$;
-- +goose StatementEnd

call guard_rows('customers', 'customer');
call guard_part('customer_addresses', 'customer_id', 'customers', 'customer');
call guard_rows('contacts', 'contact');
call guard_part('contact_customers', 'contact_id', 'contacts', 'contact');
call guard_rows('products', 'product');
call guard_rows('orders', 'order');
call guard_part('order_lines', 'order_id', 'orders', 'order');
call guard_rows('invoices', 'invoice');
call guard_part('invoice_lines', 'invoice_id', 'invoices', 'invoice');
call guard_rows('payments', 'payment');
call guard_part('payment_allocations', 'payment_id', 'payments', 'payment');
