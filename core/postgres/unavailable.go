package postgres

import (
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Full reports whether err is that the server's disk has no room left. Such an error is [Unavailable], too.
func Full(err error) bool {
	code, _ := ErrorCode(err)
	return code == "53100"
}

// Unavailable reports whether err is the server's absence rather than a fault of what it was asked: it could not be
// reached, it ended the session, or it gave up the transaction for another's sake. The same work may succeed later.
func Unavailable(err error) bool {
	var connect *pgconn.ConnectError
	var network *net.OpError
	if errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err) {
		return true
	}
	code, _ := ErrorCode(err)
	for _, class := range []string{
		"08",                      // connection exception
		"53",                      // insufficient resources
		"57P01", "57P02", "57P03", // shut down, crashed, starting
		"40001", "40P01", // serialization failure, deadlock
		"25006", // read only: a standby that has not taken over yet, or a server whose disk is guarded
	} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}
