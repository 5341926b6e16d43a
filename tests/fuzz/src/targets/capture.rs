//! Captures: a file, plain or gzip, that is checked and played.

use crate::dice::Dice;
use crate::mutate::mutate;
use crate::scratch;
use std::io::Write as _;
use tickdeck_engine::port::{Due, Gateway as _};
use tickdeck_gateway::playback::{Playback, PlaybackConfig, check};
use tickdeck_model::{END_OF_TIME, Registry, is_event_time};

const LINES: &str = concat!(
    r#"1723161253937085768 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":100,"u":102,"b":[["61737.63000000","0.00000000"],["61730.17000000","1.00000000"]],"a":[["61837.64000000","1.54698000"]]}}"#,
    "\n",
    r#"1723161254087891268 {"stream":"btcusdt@bookTicker","data":{"u":103,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}"#,
    "\n",
    r#"1723161254087896568 {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}"#,
    "\n",
    r#"1723161254206652067 {"lastUpdateId":102,"bids":[["61837.63000000","3.78826000"],["61837.62000000","0.61700000"]],"asks":[["61837.64000000","1.60520000"]]}"#,
    "\n",
    r#"1723161254236551067 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255508,"s":"BTCUSDT","U":103,"u":105,"b":[["61830.17000000","0.00000000"]],"a":[]}}"#,
    "\n",
    r#"1723161254236551068 {"e":"trade","E":1,"s":"ETHUSDT","t":1,"p":"1.00","q":"2.0","T":5,"m":false}"#,
    "\n",
);

/// The same of USD-M futures, with other units of time.
const FUTURES: &str = concat!(
    r#"1723161255030 {"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1723161256299000,"T":1723161256298000,"s":"BTCUSDT","U":90,"u":100,"pu":80,"b":[["58710.20","0.014"]],"a":[["61800.30","1.211"]]}}"#,
    "\n",
    r#"1723161255.088169 {"e":"bookTicker","u":100,"s":"BTCUSDT","b":"58710.20","B":"0.014","a":"61800.30","A":"1.211","T":1723161256313,"E":1723161256313}"#,
    "\n",
    r#"1723161255089000 {"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5,"p":"61800.30","q":"0.006","X":"MARKET","m":false}"#,
    "\n",
    r#"1723161255090000 {"lastUpdateId":105,"E":1723161256501,"T":1723161256493,"bids":[["61800.20","2.909"]],"asks":[["61800.30","4.853"]]}"#,
    "\n",
    r#"1723161255130 {"e":"depthUpdate","E":1723161256399,"T":1723161256398,"s":"BTCUSDT","U":101,"u":110,"pu":100,"b":[["61800.20","1.010"]],"a":[]}"#,
    "\n",
);

const WORDS: &[&str] = &[
    "\n",
    " ",
    "{",
    "}",
    "[[\"1\",\"1\"]]",
    "9223372036854775807 ",
    "8835955200000000000 ",
    "0 ",
    "\"0\"",
    "\"-1\"",
    "\"1e9\"",
    "\"999999999999.99999999\"",
    "\"s\":\"\u{1b}[31mUSDT\",",
    "\"u\":18446744073709551615,",
    "\"E\":9223372036854,",
    "\"s\":\"AUSDT\",",
    "\"pu\":18446744073709551614,",
    "\"X\":\"ADL\",",
    "1723161255.999999999999 ",
    "null",
    "\u{1f}\u{8b}",
];

/// Polls of a playback, each up to the next event.
const POLLS: usize = 64;

pub(crate) fn make(dice: &mut Dice) -> Vec<u8> {
    let lines = match dice.one_in(3) {
        true => FUTURES,
        false => LINES,
    };
    let mut text = lines.as_bytes().to_vec();
    mutate(&mut text, WORDS, dice);
    if dice.one_in(8) {
        text = match dice.one_in(2) {
            true => packed(&text),
            false => zstd::encode_all(&text[..], 1).unwrap_or_default(),
        };
        if dice.one_in(2) {
            mutate(&mut text, WORDS, dice);
        }
    }
    text
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Into memory: neither can fail.
    let _ = gzip.write_all(text);
    gzip.finish().unwrap_or_default()
}

pub(crate) fn run(input: &[u8]) {
    let file = scratch::write("capture", input);
    let _ = check(&file);
    // Every fourth input beside itself, so that two files change one book.
    let files = match input.len() % 4 {
        0 => vec![file.clone(), file],
        _ => vec![file],
    };
    let Ok(mut capture) = Playback::open(PlaybackConfig::new(files)) else {
        return;
    };
    if capture.register(&mut Registry::new()).is_err() {
        return;
    }
    let (mut events, mut before) = (Vec::new(), 0);
    for _ in 0..POLLS {
        let until = match capture.next_due() {
            Due::At(due) => due.saturating_add(1),
            Due::Idle | Due::Over => END_OF_TIME,
        };
        let polled = capture.poll(until, &mut events);
        for event in events.drain(..) {
            assert!(is_event_time(event.ts_host), "{event:?}");
            assert!(before <= event.ts_host, "time goes back: {event:?}");
            before = event.ts_host;
        }
        if polled.is_err() || until == END_OF_TIME {
            return;
        }
    }
    let _ = capture.poll(END_OF_TIME, &mut events);
}
