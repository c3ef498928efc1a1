-- +goose Up
-- When a row was changed last is in the indexes of the other orders, too (0039 has the rest), and its code or number in those of days and amounts: a list that is narrowed
-- by one of these in the order of another is read in the index alone, the short way and the long one.
-- +goose StatementBegin
do $$
declare
    i text;
    definition text;
begin
    foreach i in array array['customers_code', 'customers_by_name', 'customers_by_created_at', 'customers_by_next_contact_at', 'contacts_by_name',
        'opportunities_number', 'opportunities_by_expected_close', 'opportunities_by_amount', 'orders_number', 'orders_by_date', 'orders_by_total',
        'contracts_number', 'contracts_by_end_date', 'invoices_number', 'invoices_by_issue_date', 'invoices_by_due_date', 'invoices_by_total',
        'payments_number', 'payments_by_date', 'feedback_by_at', 'activities_by_at', 'tasks_by_due_at', 'tickets_number']
    loop
        definition := pg_get_indexdef(to_regclass(i)); -- null where an administrator has dropped it
        continue when definition is null or definition ~ 'updated_at';
        execute format('drop index %I', i);
        execute replace(definition, ') WHERE ', ', updated_at' || case
            when i ~ '^customers_by_(created|next)' then ', code'
            when i ~ '^(opportunities|orders|contracts|invoices|payments)_by' then ', number'
            else '' end || ') where ');
    end loop;
end $$;
-- +goose StatementEnd
