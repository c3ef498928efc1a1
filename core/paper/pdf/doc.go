// Package pdf writes PDF files of text, lines and grey boxes: as much of ISO 32000 as a business document needs.
//
// Latin, Greek and Cyrillic text is set in the Go fonts (Bigelow & Holmes, BSD licence, from golang.org/x/image), of which
// the glyphs that occur are put into the file. Everything else is Chinese to it: set in STSong-Light, one of the fonts
// that PDF viewers bring or find a substitute for (ISO 32000-1, 9.7.5.2: the predefined CMap UniGB-UTF16-H), so that no font of many
// megabytes has to be carried along. Text can be searched and copied.
//
// It promises the same bytes for the same calls. It leaves to others where what stands: package paper.
package pdf
