//! The machine's own lower bound: one word from one thread to another and back, at the same pace, by threads that never
//! sleep, timed from when it was due.

use anyhow::{Result, anyhow};
use crossbeam_utils::CachePadded;
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The word that ends the other thread.
const OVER: u64 = u64::MAX;

/// Sends `words` words, one every `interval`, and returns the times from when each was due until its echo arrived.
pub(super) fn play(interval: Duration, words: u32) -> Result<Histogram<u64>> {
    let there: Arc<CachePadded<AtomicU64>> = Arc::default();
    let back: Arc<CachePadded<AtomicU64>> = Arc::default();
    let echo = {
        let (there, back) = (Arc::clone(&there), Arc::clone(&back));
        std::thread::spawn(move || {
            let mut last = 0;
            while last != OVER {
                let word = there.load(Ordering::Acquire);
                if word == last {
                    std::hint::spin_loop();
                } else {
                    last = word;
                    back.store(word, Ordering::Release);
                }
            }
        })
    };
    let mut took_ns = Histogram::new(3)?;
    // Time for the other thread to start.
    let first = Instant::now() + Duration::from_millis(10);
    for word in 1..=words {
        let due = first + interval * word;
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        there.store(word.into(), Ordering::Release);
        while back.load(Ordering::Acquire) != u64::from(word) {
            std::hint::spin_loop();
        }
        took_ns.record(u64::try_from(due.elapsed().as_nanos())?)?;
    }
    there.store(OVER, Ordering::Release);
    echo.join().map_err(|_| anyhow!("the echo panicked"))?;
    Ok(took_ns)
}
