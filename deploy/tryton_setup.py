"""Makes a fresh Tryton database one in which a company can sell, invoice and be paid.

Usage: tryton_setup.py CONFIGURATION DATABASE. The tests count on the names given here.
"""
import datetime
import os
import sys
from decimal import Decimal

from proteus import Model, config

configuration, database = sys.argv[1:]
os.environ['DB_NAME'] = database  # the modules' tools ask for it
config.set_trytond(database, user='admin', config_file=configuration)

from trytond.modules.account.tests.tools import create_chart, create_fiscalyear, create_tax, get_accounts  # noqa: E402
from trytond.modules.account_invoice.tests.tools import set_fiscalyear_invoice_sequences  # noqa: E402
from trytond.modules.company.tests.tools import create_company, get_company  # noqa: E402
from trytond.modules.currency.tests.tools import get_currency  # noqa: E402


def make(model, **values):
    record = Model.get(model)(**values)
    record.save()
    return record


create_company(party=make('party.party', name='Test Company'), currency=get_currency('EUR'))
company = get_company()
make('country.country', name='Austria', code='AT')

this_year = datetime.date.today().year
for year in (this_year, this_year + 1):
    days = datetime.date(year, 1, 1), datetime.date(year, 12, 31)
    set_fiscalyear_invoice_sequences(create_fiscalyear(company, days)).click('create_period')
create_chart(company)
accounts = get_accounts(company)

vat = create_tax(Decimal('0.2'), company)
vat.name = vat.description = 'VAT 20%'
vat.save()
goods = Model.get('product.category')(name='Goods', accounting=True)
goods.account_revenue, goods.account_expense = accounts['revenue'], accounts['expense']
goods.customer_taxes.append(vat)
goods.save()

term = Model.get('account.invoice.payment_term')(name='30 days')
term.lines.new(type='remainder').relativedeltas.new(days=30)
term.save()
make('account.invoice.payment.method', name='Bank', company=company, journal=make('account.journal', name='Bank', type='cash'),
     debit_account=accounts['cash'], credit_account=accounts['cash'])
