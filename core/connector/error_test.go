package connector_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"crmhub/core/connector"
)

func TestAnErrorWithoutAClassIsTransient(t *testing.T) {
	t.Parallel()
	quota := &connector.Error{Class: connector.ClassQuota, Message: "slow down", Code: "429", Err: io.EOF}
	for _, tc := range []struct {
		err       error
		class     connector.Class
		text      string
		retryable bool
	}{
		{io.EOF, connector.ClassTransient, "transient: EOF", true},
		{fmt.Errorf("push: %w", quota), connector.ClassQuota, "quota: slow down (429)", true},
		{&connector.Error{Class: connector.ClassData, Message: "no such party"}, connector.ClassData, "data: no such party", false},
		{&connector.Error{Class: connector.ClassAuth, Message: "no"}, connector.ClassAuth, "auth: no", false},
	} {
		e := connector.AsError(tc.err)
		if e.Class != tc.class || e.Error() != tc.text || e.Retryable() != tc.retryable {
			t.Errorf("%v became %v of class %s, retryable %v", tc.err, e, e.Class, e.Retryable())
		}
	}
	if !errors.Is(quota, io.EOF) {
		t.Error("the cause is lost")
	}
}
