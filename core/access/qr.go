package access

import (
	"fmt"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// QR draws the URI as a QR code, black on white, with the quiet zone of four modules that readers need: an SVG image.
func (e Enrolment) QR() (string, error) {
	code, err := qr.Encode(e.URI.Reveal(), qr.M, qr.Auto)
	if err != nil {
		return "", fmt.Errorf("draw the QR code: %w", err)
	}
	const quiet = 4
	size := code.Bounds().Dx()
	var path strings.Builder
	for y := range size {
		for x := range size {
			if r, _, _, _ := code.At(x, y).RGBA(); r == 0 {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %[1]d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%[1]dv%[1]dH0z"/><path d="%s"/></svg>`,
		size+2*quiet, path.String()), nil
}
