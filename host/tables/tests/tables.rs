//! Tables as they are written and read back.

#![allow(clippy::unwrap_used, reason = "tests")]

use tickdeck_tables::{Column, Format, Kind, Row, Table, Value, create, open};

static ALL: Table = Table {
    name: "all",
    columns: &[
        Column::new("at", Kind::Time),
        Column::new("change", Kind::Integer),
        Column::new("number", Kind::Number),
        Column::new("price", Kind::Decimal),
        Column::new("word", Kind::Text),
        Column::new("is", Kind::Bool),
        Column::new("value", Kind::Float),
        Column::optional("maybe_at", Kind::Time),
        Column::optional("maybe_price", Kind::Decimal),
        Column::optional("maybe_word", Kind::Text),
        Column::optional("maybe", Kind::Bool),
        Column::optional("maybe_value", Kind::Float),
    ],
};

fn row(at: i64) -> Row {
    let words = ["", "plain", "with, comma", "\"quoted\"\nand more", "žluť"];
    let word = |at: i64| Value::Text(words[at.rem_euclid(5) as usize].into());
    let maybe =
        |value: Value<'static>, every: i64| if at % every == 0 { Value::Null } else { value };
    vec![
        Value::Time(1_723_132_803_000_000_000 + at * 1_234_567),
        Value::Integer(if at % 2 == 0 {
            i64::MIN + at
        } else {
            i64::MAX - at
        }),
        Value::Number(u64::MAX - at as u64),
        Value::decimal(
            if at % 3 == 0 {
                i64::MAX - at
            } else {
                i64::MIN + at
            },
            (at % 10) as u8,
        ),
        word(at),
        Value::Bool(at % 7 == 0),
        Value::Float(if at == 5 {
            f64::INFINITY
        } else {
            at as f64 / 3.0
        }),
        maybe(Value::Time(-at), 2),
        maybe(Value::decimal(at, 0), 3),
        maybe(word(at), 4),
        maybe(Value::Bool(at % 3 == 0), 5),
        maybe(Value::Float(-0.5), 6),
    ]
}

fn written(format: Format, rows: i64) -> (tempfile::TempDir, std::path::PathBuf, u64) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("all.{}", format.extension()));
    let mut sink = create(format, &file, &ALL).unwrap();
    for at in 0..rows {
        sink.push(&row(at)).unwrap();
    }
    let bytes = sink.finish().unwrap();
    (folder, file, bytes)
}

#[test]
fn every_row_reads_back_as_it_was_written() {
    // More than one batch; and more than one row group, for Parquet.
    for (format, rows) in [
        (Format::Parquet, 270_000),
        (Format::JsonLines, 2_000),
        (Format::Parquet, 0),
    ] {
        let (_folder, file, bytes) = written(format, rows);
        assert_eq!(bytes, file.metadata().unwrap().len());
        let mut source = open(&file, &ALL).unwrap();
        for at in 0..rows {
            assert_eq!(
                source.next().unwrap().as_ref(),
                Some(&row(at)),
                "{format:?} {at}"
            );
        }
        assert_eq!(source.next().unwrap(), None);
    }
}

#[test]
fn csv_is_quoted_where_it_must_be_and_empty_where_there_is_nothing() {
    let (_folder, file, _) = written(Format::Csv, 4);
    let text = std::fs::read_to_string(file).unwrap();
    let expected = concat!(
        "at,change,number,price,word,is,value,maybe_at,maybe_price,maybe_word,maybe,maybe_value\n",
        "2024-08-08T16:00:03.000000000Z,-9223372036854775808,18446744073709551615,9223372036854775807,\"\",true,0,,,,,\n",
        "2024-08-08T16:00:03.001234567Z,9223372036854775806,18446744073709551614,-922337203685477580.7,plain,false,",
        "0.3333333333333333,1969-12-31T23:59:59.999999999Z,1,plain,false,-0.5\n",
        "2024-08-08T16:00:03.002469134Z,-9223372036854775806,18446744073709551613,-92233720368547758.06,\"with, comma\",",
        "false,0.6666666666666666,,2,\"with, comma\",false,-0.5\n",
        "2024-08-08T16:00:03.003703701Z,9223372036854775804,18446744073709551612,9223372036854775.804,",
        "\"\"\"quoted\"\"\nand more\",false,1,1969-12-31T23:59:59.999999997Z,,\"\"\"quoted\"\"\nand more\",true,-0.5\n",
    );
    assert_eq!(text, expected);
}

#[test]
fn a_file_that_is_not_finished_is_not_created() {
    let folder = tempfile::tempdir().unwrap();
    for format in [Format::Parquet, Format::Csv, Format::JsonLines] {
        let file = folder.path().join(format.extension());
        let mut sink = create(format, &file, &ALL).unwrap();
        sink.push(&row(1)).unwrap();
        drop(sink);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_with_other_content_is_refused_by_name_and_place() {
    static OTHER: Table = Table {
        name: "other",
        columns: &[Column::new("price", Kind::Text)],
    };
    let (_folder, file, _) = written(Format::Parquet, 3);
    let error = open(&file, &OTHER).err().unwrap().to_string();
    assert!(
        error.contains("all.parquet") && error.contains("`price`"),
        "{error}"
    );
    let (_folder, file, _) = written(Format::JsonLines, 3);
    let text = std::fs::read_to_string(&file)
        .unwrap()
        .replace("\"is\":false", "\"is\":3");
    std::fs::write(&file, text).unwrap();
    let mut source = open(&file, &ALL).unwrap();
    source.next().unwrap();
    let error = source.next().unwrap_err().to_string();
    assert!(error.contains("all.jsonl: line 2: `is`"), "{error}");
    std::fs::write(&file, "nonsense").unwrap();
    assert!(open(&file, &ALL).unwrap().next().is_err());
}
