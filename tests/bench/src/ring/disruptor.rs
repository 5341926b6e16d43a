//! The `disruptor` crate, waiting as our ring does.

use super::item::{Item, Source, Tally};
use super::topology::{CAPACITY, Consume, Threads, Topology};
use anyhow::Result;
use crossbeam_utils::Backoff;
use disruptor::{BusySpin, Polling, Producer, build_multi_producer, build_single_producer};

/// Makes a consumer of a poller, whichever kind of producer it belongs to: their common trait is private.
macro_rules! consumer {
    ($poller:expr) => {{
        let mut poller = $poller;
        Box::new(move || {
            let mut tally = Tally::default();
            let backoff = Backoff::new();
            loop {
                match poller.poll() {
                    Ok(mut items) => {
                        (&mut items).for_each(|item| tally.add(item));
                        backoff.reset();
                    }
                    Err(Polling::NoEvents) => backoff.snooze(),
                    Err(Polling::Shutdown) => return Ok(tally),
                }
            }
        }) as Consume
    }};
}

/// The strategy given here is for threads of the disruptor's own, of which there are none.
pub(super) fn threads(topology: Topology) -> Threads {
    match (topology.producers, topology.consumers) {
        (1, 1) => {
            let ring = build_single_producer(CAPACITY, || Item::EMPTY, BusySpin);
            let (one, ring) = ring.new_event_poller();
            connect(topology, vec![consumer!(one)], vec![ring.build()])
        }
        (1, 3) => {
            let ring = build_single_producer(CAPACITY, || Item::EMPTY, BusySpin);
            let (one, ring) = ring.new_event_poller();
            let (two, ring) = ring.new_event_poller();
            let (three, ring) = ring.new_event_poller();
            let consumers = vec![consumer!(one), consumer!(two), consumer!(three)];
            connect(topology, consumers, vec![ring.build()])
        }
        (3, 1) => {
            let ring = build_multi_producer(CAPACITY, || Item::EMPTY, BusySpin);
            let (one, ring) = ring.new_event_poller();
            let producer = ring.build();
            let producers = vec![producer.clone(), producer.clone(), producer];
            connect(topology, vec![consumer!(one)], producers)
        }
        _ => unreachable!("no other topology is measured"),
    }
}

fn connect(
    topology: Topology,
    consumers: Vec<Consume>,
    producers: Vec<impl Producer<Item> + Send + 'static>,
) -> Threads {
    let producers = producers.into_iter().map(|producer| {
        Box::new(move |source: Source| match topology.burst {
            1 => publish_one_by_one(producer, &source),
            _ => publish_bursts(producer, &source),
        }) as super::topology::Produce
    });
    Threads {
        producers: producers.collect(),
        consumers,
    }
}

fn publish_one_by_one(mut producer: impl Producer<Item>, source: &Source) -> Result<()> {
    source.for_each(|burst| {
        let backoff = Backoff::new();
        while producer.try_publish(|slot| *slot = burst[0]).is_err() {
            backoff.snooze();
        }
        Ok(())
    })
}

fn publish_bursts(mut producer: impl Producer<Item>, source: &Source) -> Result<()> {
    source.for_each(|burst| {
        let backoff = Backoff::new();
        let mut fill = || {
            producer.try_batch_publish(burst.len(), |slots| {
                slots.zip(burst).for_each(|(slot, item)| *slot = *item);
            })
        };
        while fill().is_err() {
            backoff.snooze();
        }
        Ok(())
    })
}
