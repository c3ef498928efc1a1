package telemetry

import (
	"context"
	"io"
	"log/slog"
	"slices"
)

// Format is the form of a log line.
type Format string

// The formats.
const (
	JSON Format = "json"
	Text Format = "text"
)

// NewLogger returns a logger that writes lines of at least the given level to w.
// Each line carries the attributes of the context it was logged with; see [With].
func NewLogger(w io.Writer, format Format, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == Text {
		return slog.New(handler{slog.NewTextHandler(w, options)})
	}
	return slog.New(handler{slog.NewJSONHandler(w, options)})
}

type contextKey struct{}

// With returns a context whose log lines carry further attributes, such as request=0198….
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	had, _ := ctx.Value(contextKey{}).([]slog.Attr)
	return context.WithValue(ctx, contextKey{}, append(slices.Clip(had), attrs...))
}

// handler adds the context's attributes. They belong to the line, not to a group the logger may be in:
// WithGroup is therefore left to the handler below, and nobody here groups.
type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if attrs, ok := ctx.Value(contextKey{}).([]slog.Attr); ok {
		r = r.Clone()
		r.AddAttrs(attrs...)
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
