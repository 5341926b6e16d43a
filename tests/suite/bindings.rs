//! The SDK's bindings in the repository are those that wit-bindgen generates from `wit/`.
//!
//! They are kept, so that an author's first build does not compile the generator.

use crate::support::plugins::root;
use wit_bindgen_core::{Files, WorldGenerator as _, wit_parser::Resolve};

/// Every world of the contract, and the file of its bindings.
const WORLDS: [(&str, &str); 2] = [
    ("strategy", "strategy.rs"),
    ("strategy-bytes", "strategy_bytes.rs"),
];

fn generate(world: &str) -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(root().join("wit")).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut files = Files::default();
    // The hot function is skipped: the SDK exports it by hand, so that a batch is read in place.
    wit_bindgen_rust::Opts {
        format: true,
        skip: vec!["on-events".to_owned()],
        pub_export_macro: true,
        export_macro_name: Some("export_lifecycle".to_owned()),
        ..Default::default()
    }
    .build()
    .generate(&mut resolve, world, &mut files)
    .unwrap();
    let (_, text) = files.iter().next().unwrap();
    String::from_utf8(text.to_vec()).unwrap()
}

#[test]
fn the_bindings_of_the_sdk_are_generated_from_the_contract() {
    for (world, file) in WORLDS {
        let path = root().join("sdk/rust/src/generated").join(file);
        let generated = generate(world);
        if std::env::var_os("TICKDECK_BLESS").is_some() {
            std::fs::write(&path, generated).unwrap();
        } else {
            assert!(
                std::fs::read_to_string(&path).unwrap() == generated,
                "{} is not what wit-bindgen generates from wit/: run with TICKDECK_BLESS=1 to renew it",
                path.display()
            );
        }
    }
}
