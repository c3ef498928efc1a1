package mapping

import (
	"errors"

	"github.com/expr-lang/expr"
	"github.com/shopspring/decimal"
)

// maxDigits bounds what calculating makes: multiplied again and again, a number would fill the memory.
const maxDigits = 100

var errDigits = errors.New("a decimal of too many digits")

// decimalFunctions calculate with decimals as texts.
func decimalFunctions() []expr.Option {
	return []expr.Option{
		decimalFunction("dec_add", new(func(string, string) string), func(n []decimal.Decimal, _ int32) any { return n[0].Add(n[1]) }),
		decimalFunction("dec_sub", new(func(string, string) string), func(n []decimal.Decimal, _ int32) any { return n[0].Sub(n[1]) }),
		decimalFunction("dec_mul", new(func(string, string) string), func(n []decimal.Decimal, _ int32) any { return n[0].Mul(n[1]) }),
		decimalFunction("dec_cmp", new(func(string, string) int), func(n []decimal.Decimal, _ int32) any { return n[0].Cmp(n[1]) }),
		decimalFunction("dec_div", new(func(string, string, int) string), func(n []decimal.Decimal, digits int32) any {
			if n[1].IsZero() {
				return errNoDecimal
			}
			return n[0].DivRound(n[1], digits)
		}),
		decimalFunction("dec_round", new(func(string, int) string), func(n []decimal.Decimal, digits int32) any { return n[0].Round(digits) }),
		expr.Function("dec_sum", func(args ...any) (any, error) {
			list, ok := args[0].([]any)
			if !ok {
				return nil, errNoDecimal
			}
			sum := decimal.Zero
			for _, v := range list {
				d, ok := decimalOf(v)
				if !ok {
					return nil, errNoDecimal
				}
				sum = sum.Add(d)
			}
			return bounded(sum)
		}, new(func([]any) string)),
	}
}

// decimalFunction makes a function of one or two decimals and, where its type ends with an int, a number of digits.
func decimalFunction(name string, signature any, f func(n []decimal.Decimal, digits int32) any) expr.Option {
	return expr.Function(name, func(args ...any) (any, error) {
		digits := int32(0)
		if name == "dec_div" || name == "dec_round" {
			last, ok := args[len(args)-1].(int)
			if !ok || last < 0 || last > 30 {
				return nil, errors.New("the number of digits is 0 to 30")
			}
			digits, args = int32(last), args[:len(args)-1]
		}
		n := make([]decimal.Decimal, len(args))
		for i, v := range args {
			var ok bool
			if n[i], ok = decimalOf(v); !ok {
				return nil, errNoDecimal
			}
		}
		switch v := f(n, digits).(type) {
		case decimal.Decimal:
			return bounded(v)
		case error:
			return nil, v
		default:
			return v, nil
		}
	}, signature)
}

func bounded(d decimal.Decimal) (any, error) {
	if s := d.String(); len(s) <= maxDigits {
		return s, nil
	}
	return nil, errDigits
}
