//! Random histories in one thread, compared step by step with a ring that is a plain list.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use proptest::prelude::*;
use tickdeck_ring::{Consumer, Read, RingConfig, RingError, SlowPolicy, Wait, ring};

const CAPACITY: usize = 8;
const WINDOW: usize = CAPACITY / 2;

#[derive(Debug, Clone)]
enum Step {
    Publish(usize),
    Attach(SlowPolicy),
    AttachAt { back: u64, policy: SlowPolicy },
    Read { which: usize, max: usize },
    Detach(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let policy = || {
        prop_oneof![
            Just(SlowPolicy::Wait),
            Just(SlowPolicy::Conflate),
            Just(SlowPolicy::DropOut)
        ]
    };
    let step = prop_oneof![
        4 => (0..=WINDOW + 1).prop_map(Step::Publish),
        1 => policy().prop_map(Step::Attach),
        1 => (0..10_u64, policy()).prop_map(|(back, policy)| Step::AttachAt { back, policy }),
        4 => (0..8_usize, 0..12_usize).prop_map(|(which, max)| Step::Read { which, max }),
        1 => (0..8_usize).prop_map(Step::Detach),
    ];
    proptest::collection::vec(step, 1..120)
}

/// The expected state of the attached consumers, and everything ever published.
#[derive(Default)]
struct Model {
    published: Vec<u64>,
    attached: Vec<(Consumer<u64>, u64)>,
}

impl Model {
    fn slowest(&self) -> u64 {
        let waiting = self
            .attached
            .iter()
            .filter(|(consumer, _)| consumer.policy() == SlowPolicy::Wait);
        waiting
            .map(|&(_, position)| position)
            .min()
            .unwrap_or(self.next())
    }

    fn next(&self) -> u64 {
        self.published.len() as u64
    }

    fn check_read(&mut self, which: usize, max: usize) {
        let next = self.next();
        let count = self.attached.len();
        let Some((consumer, position)) = self.attached.get_mut(which % count.max(1)) else {
            return;
        };
        let mut out = Vec::new();
        let lapped = consumer.policy() != SlowPolicy::Wait && next - *position > WINDOW as u64;
        let readable = (next - *position).min(max as u64);
        let read = consumer.read(&mut out, max);
        if lapped && consumer.policy() == SlowPolicy::DropOut && max > 0 {
            assert_eq!(read, Err(RingError::DroppedOut { at: *position }));
            let _ = self.attached.swap_remove(which % count);
        } else if lapped && max > 0 {
            let to = next - WINDOW as u64 / 2;
            assert_eq!(
                read,
                Ok(Read::Lagged {
                    from: *position,
                    to
                })
            );
            *position = to;
        } else if readable == 0 {
            assert_eq!(read, Ok(Read::Empty));
        } else {
            let first = *position;
            assert_eq!(
                read,
                Ok(Read::Items {
                    first,
                    count: usize::try_from(readable).unwrap()
                })
            );
            *position += readable;
            let range = usize::try_from(first).unwrap()..usize::try_from(*position).unwrap();
            assert_eq!(out, self.published[range]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_ring_behaves_like_a_list(steps in steps()) {
        let ring = ring::<u64>(RingConfig { capacity: CAPACITY, wait: Wait::Spin }).unwrap();
        let mut producer = ring.producer();
        let mut model = Model::default();
        for step in steps {
            let next = model.next();
            match step {
                Step::Publish(len) => {
                    let items: Vec<_> = (next..next + len as u64).map(|item| item * 3).collect();
                    let published = producer.try_publish(&items);
                    if len > WINDOW {
                        prop_assert_eq!(published, Err(RingError::BatchTooLarge { len, max: WINDOW }));
                    } else if next + len as u64 > model.slowest() + CAPACITY as u64 {
                        prop_assert_eq!(published, Err(RingError::Full { needed: len }));
                    } else {
                        prop_assert_eq!(published, Ok(next));
                        model.published.extend(items);
                    }
                }
                Step::Attach(policy) => model.attached.push((ring.attach(policy), next)),
                Step::AttachAt { back, policy } => {
                    let asked = next.saturating_sub(back);
                    let oldest = next.saturating_sub(WINDOW as u64);
                    match ring.attach_at(asked, policy) {
                        Ok(consumer) => {
                            prop_assert!(asked >= oldest);
                            model.attached.push((consumer, asked));
                        }
                        Err(refused) => {
                            prop_assert!(asked < oldest);
                            prop_assert_eq!(refused, RingError::Overwritten { asked, oldest });
                        }
                    }
                }
                Step::Read { which, max } => model.check_read(which, max),
                Step::Detach(which) => {
                    if !model.attached.is_empty() {
                        let _ = model.attached.swap_remove(which % model.attached.len());
                    }
                }
            }
            prop_assert_eq!(ring.published(), model.next());
            prop_assert_eq!(ring.slowest(), model.slowest());
            for (consumer, position) in &model.attached {
                prop_assert_eq!(consumer.position(), *position);
            }
        }
    }
}
