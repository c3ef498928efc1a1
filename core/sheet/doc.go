// Package sheet reads and writes tables of text: CSV in the dialects people have, and XLSX.
//
// A [Sensor] learns a file's [Form] (format, encoding, delimiter, header) from its bytes as they pass. [Open] gives
// its rows one by one, [NewWriter] writes rows one by one. Promises: memory does not grow with the file (an XLSX is
// bounded by [MaxXLSX]); no byte is lost or made up, ragged rows stay ragged; no cell written by it is a formula.
// What a cell means (a date, an amount) is for others.
package sheet
