//! Tables: files as an export writes them, changed, and read to their ends. The first byte of an input says which format it is.

use crate::dice::Dice;
use crate::mutate::mutate;
use crate::scratch;
use std::sync::OnceLock;
use tickdeck_tables::{Column, Format, Kind, Table, Value, create, open};

static TRADES: Table = Table {
    name: "trades",
    columns: &[
        Column::new("sequence", Kind::Integer),
        Column::new("ts_host", Kind::Time),
        Column::new("instrument", Kind::Text),
        Column::new("price", Kind::Decimal),
        Column::optional("size", Kind::Decimal),
        Column::new("trade_id", Kind::Number),
        Column::new("last", Kind::Bool),
        Column::optional("value", Kind::Float),
    ],
};

const WORDS: &[&str] = &[
    "\n",
    "{",
    "}",
    "[[[[[[",
    "null",
    "\"1e9\"",
    "\"99999999999999999999.9\"",
    "\"2262-04-12\"",
    "\"ts_host\":\"-1\"",
    "PAR1",
    "\u{1f}",
    "NaN",
    "\"inf\"",
    "\\ud800",
    "18446744073709551616",
];

pub(crate) fn make(dice: &mut Dice) -> Vec<u8> {
    let kind = dice.below(2);
    let mut bytes = bases()[kind].clone();
    mutate(&mut bytes, WORDS, dice);
    // A footer at the end is what a file of this format is found by.
    if kind == 1 && dice.one_in(2) {
        let good = &bases()[1];
        let from = good.len().saturating_sub(8).min(bytes.len());
        bytes.truncate(from);
        bytes.extend(&good[good.len() - 8..]);
    }
    bytes.insert(0, kind as u8);
    bytes
}

pub(crate) fn run(input: &[u8]) {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    let name = ["trades.jsonl", "trades.parquet"][usize::from(kind % 2)];
    let Ok(mut source) = open(&scratch::write(name, bytes), &TRADES) else {
        return;
    };
    while let Ok(Some(row)) = source.next() {
        assert_eq!(row.len(), TRADES.columns.len());
    }
}

/// A small table in both formats.
fn bases() -> &'static [Vec<u8>; 2] {
    static BASES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    BASES.get_or_init(|| {
        [Format::JsonLines, Format::Parquet].map(|format| {
            let file = scratch::folder().join(format!("base.{}", format.extension()));
            let mut sink = create(format, &file, &TRADES).expect("the folder is ours");
            for at in 0..40 {
                sink.push(&row(at)).expect("it fits the table");
            }
            sink.finish().expect("the folder is ours");
            std::fs::read(&file).expect("it was just written")
        })
    })
}

fn row(at: i64) -> Vec<Value<'static>> {
    vec![
        Value::Integer(at),
        Value::Time(1_723_161_253_937_085_768 + at),
        Value::text(["BTCUSDT.SIM", "ETHUSDT.SIM", ""][at as usize % 3]),
        Value::decimal(6_183_763 + at, 2),
        if at % 5 == 0 {
            Value::Null
        } else {
            Value::decimal(at, 5)
        },
        Value::Number(at.unsigned_abs() << 40),
        Value::Bool(at % 2 == 0),
        if at % 7 == 0 {
            Value::Null
        } else {
            Value::Float(at as f64 / 3.0)
        },
    ]
}
