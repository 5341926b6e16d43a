//! crossbeam-channel, one for each consumer.

use super::item::{Item, Source, Tally};
use super::topology::{CAPACITY, Threads, Topology};
use crossbeam_channel::bounded;

pub(super) fn threads(topology: Topology) -> Threads {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..topology.consumers)
        .map(|_| bounded::<Item>(CAPACITY))
        .unzip();
    let producers = (0..topology.producers).map(|_| {
        let senders = senders.clone();
        Box::new(move |source: Source| {
            source.for_each(|burst| {
                for item in burst {
                    for sender in &senders {
                        sender.send(*item)?;
                    }
                }
                Ok(())
            })
        }) as super::topology::Produce
    });
    let consumers = receivers.into_iter().map(|receiver| {
        Box::new(move || {
            let mut tally = Tally::default();
            receiver.iter().for_each(|item| tally.add(&item));
            Ok(tally)
        }) as super::topology::Consume
    });
    Threads {
        producers: producers.collect(),
        consumers: consumers.collect(),
    }
}
