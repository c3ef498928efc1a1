package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

const dialTimeout = 5 * time.Second

// faults are the errors of Kafka that somebody has to do something about, by what that is. Others pass.
var faults = []struct { //nolint:gochecknoglobals // a constant table
	class  connector.Class
	remedy string
	said   func(broker string) *schema.Saying
	errs   []error
}{
	{
		connector.ClassAuth, "Correct sasl, user and password of the connection.",
		func(broker string) *schema.Saying { return schema.Say("kafka_credentials", broker) },
		[]error{kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism, kerr.IllegalSaslState},
	},
	{
		connector.ClassAuth, "Let the connection's user read its in topics, and describe, create and write its out topics.",
		func(broker string) *schema.Saying { return schema.Say("kafka_rights", broker) },
		[]error{kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed},
	},
	{
		connector.ClassQuota, "",
		func(broker string) *schema.Saying { return schema.Say("kafka_quota", broker) },
		[]error{kerr.ThrottlingQuotaExceeded},
	},
	{
		connector.ClassData, "Make the record smaller, or let the topic take larger messages (max.message.bytes).",
		func(broker string) *schema.Saying { return schema.Say("kafka_too_large", broker) },
		[]error{kerr.MessageTooLarge, kerr.RecordListTooLarge},
	},
	{
		connector.ClassData, "Look at what the topic's brokers check of a message.",
		func(broker string) *schema.Saying { return schema.Say("kafka_invalid", broker) },
		[]error{kerr.InvalidRecord},
	},
	{
		connector.ClassConfig, "Make the topic, or correct its name in the connection.",
		func(broker string) *schema.Saying { return schema.Say("kafka_no_topic", broker) },
		[]error{kerr.UnknownTopicOrPartition, kerr.InvalidTopicException, kerr.PolicyViolation},
	},
	{
		connector.ClassConfig, "The hub needs brokers of version 2.1 or newer.",
		func(broker string) *schema.Saying { return schema.Say("kafka_version", broker) },
		[]error{kerr.UnsupportedVersion, kerr.UnsupportedForMessageFormat},
	},
}

// fault says what an error of the client means.
func fault(err error) *connector.Error {
	e := &connector.Error{Class: connector.ClassTransient, Message: err.Error(), Err: err}
	if answer, ok := errors.AsType[*kerr.Error](err); ok {
		e.Code, e.Message = answer.Message, answer.Description
	}
	for _, f := range faults {
		for _, known := range f.errs {
			if errors.Is(err, known) {
				e.Class, e.Remedy, e.Said = f.class, f.remedy, f.said(e.Message)
				return e
			}
		}
	}
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		network  *net.OpError
		record   tls.RecordHeaderError
		dns      *net.DNSError
	)
	switch {
	case errors.As(err, &unknown):
		e.Class, e.Message, e.Remedy = connector.ClassConfig, "nobody trusted signed the broker's certificate", "Set ca to the certificate of who signed it."
		e.Said = schema.Say("untrusted")
	case errors.As(err, &hostname):
		e.Class, e.Message, e.Remedy = connector.ClassConfig, "the broker's certificate is for another name", "Use the name in the certificate as address, or set server_name to it."
		e.Said = schema.Say("other_name")
	case errors.As(err, &invalid):
		e.Class, e.Message, e.Remedy = connector.ClassConfig, "the broker's certificate is not valid: "+invalid.Error(), "Renew the broker's certificate."
		e.Said = schema.Say("certificate_invalid", invalid)
	case errors.As(err, &network) && network.Op == "remote error": // so crypto/tls calls the other side's alerts
		e.Class, e.Message, e.Remedy = connector.ClassAuth, "the broker refuses the client's certificate: "+network.Err.Error(), "Set certificate and key to those that the broker trusts."
		e.Said = schema.Say("certificate_refused", network.Err)
	case errors.As(err, &record):
		e.Class, e.Message, e.Remedy = connector.ClassConfig, "the broker does not speak TLS at this address", "Use the address of a TLS listener, or switch tls off."
		e.Said = schema.Say("no_tls")
	case errors.As(err, &dns) && dns.IsNotFound:
		e.Class, e.Message, e.Remedy = connector.ClassConfig, "there is no host "+dns.Name, "Correct the brokers' addresses."
		e.Said = schema.Say("no_host", dns.Name)
	case errors.Is(err, kgo.ErrClientClosed):
		e.Message = "the session is closed"
		e.Said = schema.Say("session_closed")
	case errors.Is(err, context.DeadlineExceeded):
		e.Message = "the brokers did not answer in time"
		e.Said = schema.Say("no_answer")
	case errors.Is(err, context.Canceled):
		e.Message = "the call was cancelled"
		e.Said = schema.Say("ended_early")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Message = "a broker hung up"
		e.Said = schema.Say("hung_up")
		e.Remedy = "Brokers hang up on who speaks TLS to a listener without, or the other way round, or is not let in: compare tls and sasl with their listener."
	}
	return e
}
