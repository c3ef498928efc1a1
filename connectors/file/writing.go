package file

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"crmhub/core/connector"
	"crmhub/core/sheet"
)

// carries is what a connection reads and what it writes.
func carries(config map[string]any) (streams []connector.Stream) {
	for _, l := range layouts() {
		s := connector.Stream{Entity: l.record, Record: l.record, Capabilities: connector.Capabilities{Pull: true, Incremental: true}}
		if o, _ := config[l.record].(map[string]any); o["write"] != nil {
			s.Capabilities = writes()
		}
		streams = append(streams, s)
	}
	return streams
}

// writes is what can be done where files are written.
func writes() connector.Capabilities {
	return connector.Capabilities{Push: true, Find: true, Get: true, Delete: true, Batch: batch}
}

// batch is how many records are written in a call: on a distant server each takes a second.
const batch = 10

var (
	nameForm   = regexp.MustCompile(`^[^./\\~\x00-\x1f][^/\\\x00-\x1f]*$`)
	foldersOwn = []string{doneFolder, failedFolder, sentFolder} //nolint:gochecknoglobals // a constant
)

// written takes over how a record is written, if it is.
func (l *layout) written(o override, delimiter string) error {
	if o.Write == "" {
		if o.Folder != "" || o.Name != "" {
			return misconfigured(fmt.Sprintf("/%s: folder and name are for files that are written; say as what: write", l.record))
		}
		return nil
	}
	l.writing = writing{format: o.Write, folder: "out", name: l.record + "-{reference}-{n}"}
	if o.Folder != "" {
		l.folder = path.Clean(o.Folder)
	}
	first, _, _ := strings.Cut(l.folder, "/")
	if !path.IsAbs(l.folder) && !strings.HasPrefix(l.folder, ".") && !strings.ContainsAny(l.folder, "\\\x00") && !slices.Contains(foldersOwn, first) {
		if o.Name != "" {
			l.name = o.Name
		}
	} else {
		return misconfigured(fmt.Sprintf("/%s/folder: must lie below the connection's folder, and be none of %s", l.record, strings.Join(foldersOwn, ", ")))
	}
	if strings.Count(l.name, "{reference}") != 1 || strings.Count(l.name, "{n}") != 1 || !nameForm.MatchString(l.name) {
		return misconfigured(fmt.Sprintf("/%s/name: must be the name of a file with {reference} and {n} in it, once each", l.record))
	}
	if l.format == string(sheet.CSV) && delimiter == sheet.Blanks {
		return misconfigured("/delimiter: a table with blanks between its columns is only read")
	}
	return nil
}

// fileOf is where the n-th state of a record is put.
func (l *layout) fileOf(id string, n int) string {
	name := strings.NewReplacer("{reference}", safe(id), "{n}", strconv.Itoa(n)).Replace(l.name)
	return path.Join(l.folder, name+"."+l.format)
}

// draftOfState is the name under which a file is written before it is handed over: hidden, and with no suffix that anybody reads.
func draftOfState(file string) string { return path.Join(path.Dir(file), "."+path.Base(file)+".part") }

var safeForm = regexp.MustCompile(`^[A-Z0-9][A-Z0-9._-]{0,63}$`)

// safe is a reference as a part of a file's name. What cannot be one, on any file system, gets a digest behind what is left of it;
// small letters, too, for there are systems that do not tell them from capitals.
func safe(reference string) string {
	if safeForm.MatchString(reference) {
		return reference
	}
	words := strings.FieldsFunc(reference, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	left := strings.Join(words, "-")
	sum := sha256.Sum256([]byte(reference))
	return left[:min(len(left), 40)] + "~" + hex.EncodeToString(sum[:8])
}
