//! Our ring.

use super::item::{Item, Tally};
use super::topology::{CAPACITY, Threads, Topology};
use anyhow::Result;
use std::sync::Arc;
use tickdeck_ring::{Consumer, Ring, RingConfig, SlowPolicy, Wait, Wake};

pub(super) fn threads(topology: Topology) -> Result<Threads> {
    let ring = Ring::<Item>::new(RingConfig {
        capacity: CAPACITY,
        wait: Wait::Spin,
    })?;
    let consumers = (0..topology.consumers).map(|_| {
        let consumer = ring.attach(SlowPolicy::Wait);
        Box::new(move || consume(consumer)) as super::topology::Consume
    });
    let consumers = consumers.collect();
    let closing = Arc::new(Closing(ring.clone()));
    let producers = (0..topology.producers).map(|_| {
        let mut producer = match topology.producers {
            1 => ring.sole_producer().expect("it is the first"),
            _ => ring.producer(),
        };
        let closing = Arc::clone(&closing);
        Box::new(move |source: super::Source| {
            source.for_each(|burst| {
                producer.publish(burst)?;
                Ok(())
            })?;
            drop(producer);
            drop(closing);
            Ok(())
        }) as super::topology::Produce
    });
    Ok(Threads {
        producers: producers.collect(),
        consumers,
    })
}

/// Closes the ring when the last producer has dropped it.
struct Closing(Ring<Item>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn consume(mut consumer: Consumer<Item>) -> Result<Tally> {
    let mut tally = Tally::default();
    while consumer.wait(|| false)? == Wake::Ready {
        let items = consumer.peek(CAPACITY);
        let count = items.len();
        items.iter().for_each(|item| tally.add(item));
        consumer.release(count);
    }
    Ok(tally)
}
