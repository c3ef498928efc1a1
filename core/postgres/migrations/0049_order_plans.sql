-- +goose Up
-- A payment plan adds up to the total of its order: a role that is not to see that sees no plan either.

set local role crmhub_system;
insert into preset_fields (role, resource, field, access)
    select role, resource, 'instalments', 'hidden' from preset_fields where resource = 'order' and field = 'total' and access in ('hidden', 'masked');
insert into role_fields (organization_id, role_id, resource, field, access)
    select organization_id, role_id, resource, 'instalments', 'hidden' from role_fields where resource = 'order' and field = 'total' and access in ('hidden', 'masked')
    on conflict do nothing;
reset role;
