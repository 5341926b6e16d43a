//! What the docs and both sides of the contract say of it is what `wit/` says: the layout, and the codes of each set.
//!
//!     TICKDECK_BLESS=1 cargo test --locked --workspace --test suite contract::     # writes docs/LAYOUT.md and docs/CODES.md anew

use crate::support::plugins::root;
use std::fmt::Write as _;
use tickdeck_model as host;
use wit_parser::{Resolve, SizeAlign, Type, TypeDef, TypeDefKind};

/// Where the generated part of `docs/LAYOUT.md` begins and ends.
const BEGIN: &str = "<!-- generated from wit/ -->\n";
const END: &str = "<!-- end -->\n";

fn contract() -> Resolve {
    let mut resolve = Resolve::default();
    resolve.push_path(root().join("wit")).unwrap();
    resolve
}

fn named<'a>(contract: &'a Resolve, name: &str) -> &'a TypeDef {
    let mut types = contract.types.iter().map(|(_, it)| it);
    types.find(|it| it.name.as_deref() == Some(name)).unwrap()
}

/// The type of a field as the docs write it, with the set of codes that it is of.
fn scalar(contract: &Resolve, field: Type) -> String {
    match field {
        Type::U16 => "u16".to_owned(),
        Type::U32 => "u32".to_owned(),
        Type::U64 => "u64".to_owned(),
        Type::S64 => "i64".to_owned(),
        Type::F64 => "f64".to_owned(),
        Type::Bool => "u8".to_owned(),
        Type::Id(id) => match &contract.types[id].kind {
            TypeDefKind::Type(alias) => scalar(contract, *alias),
            TypeDefKind::Enum(_) => "u8".to_owned(),
            other => panic!("{other:?} in a record of the hot path"),
        },
        other => panic!("{other:?} in a record of the hot path"),
    }
}

/// A row for each case of a variant: its discriminant, its record and the fields with their offsets.
fn rows(contract: &Resolve, layout: &SizeAlign, variant: &str) -> String {
    let TypeDefKind::Variant(variant) = &named(contract, variant).kind else {
        panic!("{variant} is a variant");
    };
    let mut rows = String::new();
    for (kind, case) in variant.cases.iter().enumerate() {
        let Some(Type::Id(record)) = case.ty else {
            panic!("{case:?} has a record");
        };
        let TypeDefKind::Record(record) = &contract.types[record].kind else {
            panic!("{case:?} has a record");
        };
        let offsets = layout.field_offsets(record.fields.iter().map(|field| &field.ty));
        let fields = record.fields.iter().zip(offsets);
        let fields = fields.filter(|(field, _)| !field.name.starts_with("reserved"));
        let fields = fields.map(|(field, (at, of))| {
            let (of, at) = (scalar(contract, *of), at.size_wasm32());
            format!("{} {of} @{at}", field.name)
        });
        let fields = fields.collect::<Vec<_>>().join(", ");
        writeln!(rows, "| {kind} | {} | {fields} |", case.name).unwrap();
    }
    rows
}

fn size(contract: &Resolve, layout: &SizeAlign, name: &str) -> usize {
    let mut types = contract.types.iter();
    let (id, _) = types
        .find(|(_, it)| it.name.as_deref() == Some(name))
        .unwrap();
    layout.size(&Type::Id(id)).size_wasm32()
}

/// The sections of `docs/LAYOUT.md` that the contract determines.
fn layout() -> String {
    let contract = contract();
    let mut layout = SizeAlign::default();
    layout.fill(&contract);
    let (event, action) = (
        size(&contract, &layout, "event"),
        size(&contract, &layout, "action"),
    );
    assert_eq!((event, action), (host::Event::SIZE, host::Action::SIZE));
    let record = size(&contract, &layout, "body") - 8;
    format!(
        "\n## Event: {event} bytes\n\n\
         | at | type | field |\n| --- | --- | --- |\n| 0 | u64 | sequence |\n| 8 | i64 | ts-venue, ns |\n\
         | 16 | i64 | ts-host, ns |\n| 24 | u8 | kind |\n| 32 | {record} bytes | the record |\n\n\
         Offsets within the record (add 32):\n\n\
         | kind | record | fields |\n| --- | --- | --- |\n{}\n\
         ## Action: {action} bytes\n\n\
         The discriminant is the byte at 0; offsets within the record (add 8):\n\n\
         | kind | record | fields |\n| --- | --- | --- |\n{}\n",
        rows(&contract, &layout, "body"),
        rows(&contract, &layout, "action"),
    )
}

/// A code of a set: its number, its name and what it means.
struct Code {
    number: u16,
    name: String,
    meaning: String,
}

/// The codes in the docs of a type, as `- 3 `stop`: ...`, and the lines before them.
fn codes(of: &TypeDef) -> (String, Vec<Code>) {
    let (mut about, mut codes) = (Vec::new(), Vec::<Code>::new());
    for line in of.docs.contents.iter().flat_map(|docs| docs.lines()) {
        let line = line.trim();
        let item = line.strip_prefix("- ").and_then(|item| {
            let (number, rest) = item.split_once(" `")?;
            let (name, meaning) = rest.split_once("`: ")?;
            Some(Code {
                number: number.parse().ok()?,
                name: name.to_owned(),
                meaning: meaning.to_owned(),
            })
        });
        match (item, codes.last_mut()) {
            (Some(code), _) => codes.push(code),
            (None, Some(last)) if !line.is_empty() => last.meaning += &format!(" {line}"),
            (None, None) if !line.is_empty() => about.push(line.to_owned()),
            (None, _) => {}
        }
    }
    (about.join(" "), codes)
}

/// Every set of codes of the contract: the integer types whose docs list codes.
fn sets(contract: &Resolve) -> Vec<(String, String, Vec<Code>)> {
    let types = contract.types.iter().map(|(_, it)| it);
    let integers = types.filter(|it| matches!(it.kind, TypeDefKind::Type(Type::U16)));
    let sets = integers.filter_map(|it| {
        let (about, codes) = codes(it);
        (!codes.is_empty()).then(|| (it.name.clone().unwrap_or_default(), about, codes))
    });
    sets.collect()
}

fn codes_page() -> String {
    let mut page = "# Codes\n\n\
        Sets that may grow are integers of two bytes. A code is never used again for something else, and a set gets new ones without \
        another version of the contract: a strategy takes a code that it does not know as `other`, and the host denies an order with \
        one that it does not know as `unsupported`. Reasons from 1,000 on are a venue's own.\n\n\
        This page is generated from `wit/types.wit`: `TICKDECK_BLESS=1 cargo test --locked --workspace --test suite contract::`\n"
        .to_owned();
    for (name, about, codes) in sets(&contract()) {
        write!(
            page,
            "\n## {name}\n\n{about}\n\n| code | name | |\n| --- | --- | --- |\n"
        )
        .unwrap();
        for Code {
            number,
            name,
            meaning,
        } in codes
        {
            writeln!(page, "| {number} | `{name}` | {meaning} |").unwrap();
        }
    }
    page
}

/// Compares a page with what is generated, or writes it.
fn compare(page: &str, generated: &str) {
    let path = root().join("docs").join(page);
    if std::env::var_os("TICKDECK_BLESS").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).is_ok_and(|there| there == generated),
        "docs/{page} is not what wit/ says: run with TICKDECK_BLESS=1 to renew it"
    );
}

#[test]
fn the_layout_in_the_docs_is_that_of_the_contract() {
    let page = std::fs::read_to_string(root().join("docs/LAYOUT.md")).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    compare(
        "LAYOUT.md",
        &format!("{before}{BEGIN}{}{END}{after}", layout()),
    );
}

#[test]
fn the_codes_in_the_docs_are_those_of_the_contract() {
    compare("CODES.md", &codes_page());
}

#[test]
fn the_host_knows_every_code_of_the_contract_by_its_number_and_name() {
    macro_rules! known {
        ($($name:literal => $set:ident),+) => {[$(($name, host::$set::ALL.iter().map(|it| (it.number(), it.as_str())).collect::<Vec<_>>())),+]};
    }
    let known = known! {
        "order-type" => OrderType, "trigger" => Trigger, "trail-basis" => TrailBasis, "time-in-force" => TimeInForce,
        "self-trade" => SelfTrade, "margin-mode" => MarginMode, "order-status" => OrderStatus, "reason" => Reason,
        "liquidity" => Liquidity, "venue-state" => VenueState
    };
    let contract = contract();
    let mut compared = 0;
    for (name, _, codes) in sets(&contract) {
        let numbers: Vec<u16> = codes.iter().map(|code| code.number).collect();
        if name == "order-flags" {
            assert_eq!(numbers, [1, 2, 4, 8], "bits");
            continue;
        }
        assert!(
            numbers.iter().copied().eq(0..numbers.len() as u16),
            "{name}"
        );
        let mut known = known.iter().filter(|(of, _)| *of == name);
        let (_, known) = known
            .next()
            .unwrap_or_else(|| panic!("the host lacks {name}"));
        let codes = codes.iter().map(|code| (code.number, code.name.as_str()));
        assert_eq!(&codes.collect::<Vec<_>>(), known, "{name}");
        compared += 1;
    }
    assert_eq!(compared, known.len());
}

#[test]
fn the_sdk_of_rust_names_every_code_of_the_contract() {
    let text = std::fs::read_to_string(root().join("sdk/rust/src/terms.rs")).unwrap();
    let mut compared = 0;
    for block in text.split("open_set! {").skip(1) {
        let block = block.split("\n}\n").next().unwrap_or_default();
        let lines = block.lines().map(str::trim);
        let codes: Vec<(u16, &str)> = lines
            .filter(|line| !line.starts_with("//"))
            .filter_map(|line| {
                let (number, name) = line.split_once(" = ")?.1.split_once(", ")?;
                Some((number.parse().ok()?, name.trim_matches(['"', ','])))
            })
            .collect();
        let sets = sets(&contract());
        let same = sets.iter().filter(|(_, _, of)| {
            let of = of.iter().map(|code| (code.number, code.name.as_str()));
            of.eq(codes.iter().copied())
        });
        assert_eq!(same.count(), 1, "none or several sets have {codes:?}");
        compared += 1;
    }
    assert_eq!(compared, 10);
}
