package export_tickdeck_strategy_hot_bytes

import (
	"wit_component/strategy"
	. "wit_component/tickdeck_strategy_hot_bytes"
)

func OnEvents(batch []uint8) OutcomeBytes {
	for at := 0; at < len(batch); at += strategy.Event {
		if order := strategy.OnEvent(batch[at : at+strategy.Event]); order != nil {
			return OutcomeBytes{uint32(at/strategy.Event + 1), order}
		}
	}
	return OutcomeBytes{uint32(len(batch) / strategy.Event), nil}
}
