package export_tickdeck_strategy_lifecycle

import (
	"strconv"

	. "go.bytecodealliance.org/pkg/wit/types"
	"wit_component/strategy"
	. "wit_component/tickdeck_strategy_lifecycle"
	"wit_component/tickdeck_strategy_log"
)

func Describe() Manifest {
	return Manifest{
		Name:    "go",
		Version: "0.1.0",
		Doc:     "One limit order at each so many trades.",
		Parameters: []Parameter{{
			Name:    "every",
			Doc:     "Trades for each order.",
			Kind:    ParameterKindInteger,
			Default: Some("100"),
			Minimum: Some(1.0),
			Maximum: None[float64](),
		}},
		Subscriptions: []Subscription{MakeSubscriptionTrades("*")},
		OrderPolicy:   OrderPolicyCancel,
		StateSchema:   1,
		Restores:      []uint32{1},
	}
}

// The parameters are in the order of the manifest.
func begin(start Start) (err error) {
	strategy.Every, err = strconv.ParseUint(start.Parameters[0].F1, 10, 64)
	strategy.NextOrder = start.NextOrder
	return err
}

func Init(start Start) Result[Unit, string] {
	if err := begin(start); err != nil {
		return Err[Unit, string](err.Error())
	}
	tickdeck_strategy_log.Write(tickdeck_strategy_log.LevelInfo, "an order every "+start.Parameters[0].F1+" trades")
	return Ok[Unit, string](Unit{})
}

func Save() Result[[]uint8, string] {
	return Ok[[]uint8, string](strategy.Save())
}

func Restore(start Start, schema uint32, state []uint8) Result[Unit, string] {
	if err := begin(start); err != nil {
		return Err[Unit, string](err.Error())
	}
	strategy.Restore(state)
	return Ok[Unit, string](Unit{})
}

func Stop(reason StopReason) {}
