package journey

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// maxPacked bounds what unpacking gives: many times what a push can keep.
const maxPacked = 16 << 20

// Exchanges are the most of an event, and much alike: compressed they are a fifth, which costs less than to store the rest.
//
//nolint:gochecknoglobals // both are stateless, safe for concurrent use, and costly to make
var (
	packer, _   = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	unpacker, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPacked))
)

// pack writes exchanges as they are stored: JSON, compressed. None is nil.
func pack(exchanges []Exchange) ([]byte, error) {
	if len(exchanges) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(exchanges); err != nil {
		return nil, err
	}
	return packer.EncodeAll(b.Bytes(), nil), nil
}

// unpack reads what pack wrote.
func unpack(packed []byte) (exchanges []Exchange, err error) {
	if len(packed) == 0 {
		return nil, nil
	}
	text, err := unpacker.DecodeAll(packed, nil)
	if err == nil {
		err = json.Unmarshal(text, &exchanges)
	}
	if err != nil {
		return nil, fmt.Errorf("read exchanges: %w", err)
	}
	return exchanges, nil
}
