package console

import (
	"io"
	"mime"
	"net/http"
)

// download is a file that the browser keeps.
type download struct {
	name      string
	mediaType string
	send      func(io.Writer) error
}

// give sends a file. What fails after the first byte can only be told by ending the connection.
func (v *visit) give(d download) error {
	v.endTurn() // who takes it may be slow
	h := v.w.Header()
	h.Set("Content-Type", d.mediaType)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.name}))
	if err := d.send(v.w); err != nil {
		if v.r.Context().Err() == nil {
			v.console.Logger.ErrorContext(v.r.Context(), "file broken off", "path", v.r.Pattern, "error", err)
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

// upload is a file that a form sends, read as it comes: what stands before it in the form is in fields, what stands behind it
// is not read.
type upload struct {
	io.Reader
	name   string
	fields map[string]string
}

// longestField is how many bytes of a field before a file are read.
const longestField = 10_000

// receive reads a form with a file up to the file's first byte. Without a file the name is empty.
func (v *visit) receive() (upload, error) {
	u := upload{fields: map[string]string{}}
	parts, err := v.r.MultipartReader()
	if err != nil {
		return u, errAddress
	}
	for {
		part, err := parts.NextPart()
		switch {
		case err == io.EOF: //nolint:errorlint // as io.Reader says
			return u, nil
		case err != nil:
			return u, errAddress
		case part.FormName() == "file":
			u.name, u.Reader = part.FileName(), part
			return u, nil
		}
		b, err := io.ReadAll(io.LimitReader(part, longestField))
		if err != nil {
			return u, errAddress
		}
		u.fields[part.FormName()] = string(b)
	}
}
