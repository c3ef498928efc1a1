-- +goose Up
-- What lists are narrowed by is in the indexes of their orders, whose it is and what people choose from (crm.QuickFilters): the way along an order to
-- the rows of one of a hundred owners, or of a value that stands at the far end of it, is read in the index alone, without the rows that are none. crm.List asks
-- for it so. A day or an instant that is indexed with its empty values first is there once more by itself, since an expression counts for nothing there.
-- +goose StatementBegin
do $$
declare
    r record;
    i text;
    definition text;
begin
    for r in select * from (values
        ('customers', array['by_name', 'by_created_at', 'by_next_contact_at'], 'lifecycle, level'),
        ('contacts', array['by_name'], 'opt_out'),
        ('opportunities', array['by_expected_close', 'by_amount'], 'status, forecast_category'),
        ('orders', array['by_date', 'by_total'], 'status, delivery_status, payment_status'),
        ('contracts', array['by_end_date'], 'status'),
        ('invoices', array['by_issue_date', 'by_due_date', 'by_total'], 'status, payment_status, kind'),
        ('payments', array['by_date'], 'status'),
        ('feedback', array['by_at'], null),
        ('activities', array['by_at'], 'kind'),
        ('tasks', array['by_due_at'], 'status, priority'),
        ('tickets', array[]::text[], 'status, priority, kind')) v (kind, orders, choices)
    loop
        foreach i in array array['recent', 'owner'] || r.orders loop
            definition := pg_get_indexdef(format('%I', r.kind || '_' || i)::regclass);
            definition := replace(definition, ' WHERE ', format(' include (%s) where ', concat_ws(', ',
                case when i <> 'owner' then 'owner_id' end,
                case when definition like '%CASE%' then substr(i, 4) end, r.choices)));
            continue when definition like '% include () %';
            execute format('drop index %I', r.kind || '_' || i);
            execute definition;
        end loop;
    end loop;
end $$;
-- +goose StatementEnd
