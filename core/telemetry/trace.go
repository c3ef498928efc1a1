package telemetry

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// TraceParent is a W3C trace context of version 00, as in the traceparent header:
// 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.
type TraceParent string

// ParseTraceParent reads a traceparent header. A version newer than 00 is read as far as 00 goes, as the
// recommendation asks; anything else that is not exact is refused, since one continues a trace or starts one.
func ParseTraceParent(s string) (TraceParent, bool) {
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return "", false
	}
	version, trace, parent, flags := s[:2], s[3:35], s[36:52], s[53:55]
	if !lowerHex(version) || !lowerHex(trace) || !lowerHex(parent) || !lowerHex(flags) ||
		strings.Trim(trace, "0") == "" || strings.Trim(parent, "0") == "" || version == "ff" {
		return "", false
	}
	if len(s) > 55 && (version == "00" || s[55] != '-') {
		return "", false
	}
	return TraceParent("00-" + trace + "-" + parent + "-" + flags), true
}

// NewTraceParent starts a trace, sampled.
func NewTraceParent() TraceParent {
	var b [24]byte
	_, _ = rand.Read(b[:]) // it never fails (crypto/rand)
	return TraceParent("00-" + hex.EncodeToString(b[:16]) + "-" + hex.EncodeToString(b[16:]) + "-01")
}

// TraceID is the part that all spans of a trace share; "" for the zero TraceParent.
func (t TraceParent) TraceID() string {
	if len(t) < 35 {
		return ""
	}
	return string(t[3:35])
}

func lowerHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
