//! The short form of the fuzz suite: a few inputs of every kind, in this process.

use tickdeck_fuzz::{FILES, GUESTS, Target};

/// Returns `TICKDECK_SEED`, or a seed from the time, and prints it so that a failure can be reproduced.
fn seed() -> u64 {
    let given = std::env::var("TICKDECK_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let now = std::time::UNIX_EPOCH.elapsed();
        now.map_or(1, |now| now.as_nanos() as u64)
    });
    println!("TICKDECK_SEED={seed}");
    seed
}

fn play(targets: &[Target], inputs: u64) {
    let seed = seed();
    for target in targets {
        for number in 0..inputs {
            println!("{} --seed {seed} --only {number}", target.name);
            (target.run)(&tickdeck_fuzz::input(target, seed, number));
        }
    }
}

#[test]
fn hostile_files_and_lines_of_every_kind_give_a_result_or_an_error() {
    play(FILES, 300);
}

#[test]
fn hostile_guests_of_every_kind_end_alone() {
    play(GUESTS, 30);
}

#[test]
fn an_input_can_be_made_again_by_its_seed_and_number() {
    for target in FILES.iter().chain(GUESTS) {
        let make = |number| tickdeck_fuzz::input(target, 7, number);
        assert_eq!(make(11), make(11), "{}", target.name);
        assert_ne!(make(11), make(12), "{}", target.name);
    }
}
