// Package strategy sends one limit order at each Every-th trade, on the side that a moving average of the price says.
package strategy

import (
	"encoding/binary"
	"math"
)

// docs/LAYOUT.md has the offsets, docs/CODES.md the codes.
const (
	Event  = 104
	action = 128
	trade  = 1
	limit  = 2
	gtc    = 1
	buy    = 0
	sell   = 1
)

var (
	Every     uint64
	NextOrder uint64
	trades    uint64
	mean      float64
)

var little = binary.LittleEndian

// OnEvent handles one event and returns the order that it causes, if any.
func OnEvent(event []byte) []byte {
	if event[24] != trade {
		return nil
	}
	price := float64(int64(little.Uint64(event[40:])))
	if trades == 0 {
		mean = price
	} else {
		mean += (price - mean) / 64
	}
	trades++
	if trades%Every != 0 {
		return nil
	}
	order := make([]byte, action) // All else is zero.
	little.PutUint64(order[8:], NextOrder)
	copy(order[24:32], event[48:])
	copy(order[40:48], event[40:])
	copy(order[96:100], event[32:])
	little.PutUint16(order[112:], limit)
	little.PutUint16(order[114:], gtc)
	order[126] = sell
	if price < mean {
		order[126] = buy
	}
	NextOrder++
	return order
}

// Save returns what a restart must not lose.
func Save() []byte {
	state := little.AppendUint64(nil, trades)
	return little.AppendUint64(state, math.Float64bits(mean))
}

// Restore takes what Save returned.
func Restore(state []byte) {
	trades = little.Uint64(state)
	mean = math.Float64frombits(little.Uint64(state[8:]))
}
