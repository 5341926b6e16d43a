//! Reads a table key by key. Asking for a key is what makes it known, so the keys that exist are written once, where
//! they are read. A key that was never asked for is unknown.

use super::problem::{Problem, Problems};
use super::value::{Decimal, Located, Setting};
use std::cell::{Cell, RefCell};
use std::ops::RangeInclusive;
use tickdeck_model::Untrusted;
use tickdeck_model::suggestion::nearest;
use tickdeck_model::untrusted::{one_line, quoted};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Maximum number of a file's mistakes that are kept: each costs a search for what may have been meant.
const MAX_KEPT: usize = 64;
/// Bytes shown of a text or a number.
const MAX_VALUE: usize = 40;

/// A file being read, and its mistakes so far.
pub(crate) struct Reader<'d> {
    file: &'d str,
    /// Where each line begins.
    line_starts: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
    /// Whether there are mistakes of the grammar: a key may then stand in the wrong table.
    is_torn: bool,
    /// Mistakes beyond those that are kept.
    more: Cell<usize>,
}

/// A table being read.
pub(crate) struct Section<'r, 'd> {
    reader: &'r Reader<'d>,
    /// `risk.instruments`; empty for the whole file.
    path: String,
    table: Option<&'r DeTable<'d>>,
    asked: RefCell<Vec<&'static str>>,
}

type Entry<'r, 'd> = &'r Spanned<DeValue<'d>>;

impl<'d> Reader<'d> {
    /// Parses `text`; mistakes of the grammar are reported like any others.
    pub(crate) fn new(file: &'d str, text: &'d str) -> (Self, Spanned<DeTable<'d>>) {
        let mut reader = Self::bare(file, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        reader.is_torn = !errors.is_empty();
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            let lines = error.message().lines().collect::<Vec<_>>();
            reader.report(at, one_line(&lines.join(", ")), None);
        }
        (reader, table)
    }

    fn bare(file: &'d str, text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            file,
            line_starts: breaks.map(|(at, _)| at + 1).collect(),
            problems: RefCell::default(),
            is_torn: false,
            more: Cell::default(),
        }
    }

    /// Returns the whole file as a section.
    pub(crate) fn section<'r>(&'r self, table: &'r Spanned<DeTable<'d>>) -> Section<'r, 'd> {
        Section {
            reader: self,
            path: String::new(),
            table: Some(table.get_ref()),
            asked: RefCell::default(),
        }
    }

    /// Returns `value`, unless there were mistakes.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, Problems> {
        let mut list = self.problems.into_inner();
        list.sort_by_key(|problem| problem.line);
        list.dedup();
        if list.is_empty() {
            Ok(value)
        } else {
            Err(Problems {
                file: self.file.to_owned(),
                list,
                more: self.more.get(),
            })
        }
    }

    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset) + 1
    }

    /// Returns whether no more mistakes are kept, and counts one more if so.
    fn is_full(&self) -> bool {
        let full = self.problems.borrow().len() >= MAX_KEPT;
        self.more.set(self.more.get() + usize::from(full));
        full
    }

    fn report(&self, offset: usize, what: String, fix: Option<String>) {
        if self.is_full() {
            return;
        }
        self.problems.borrow_mut().push(Problem {
            line: self.line(offset),
            what,
            fix,
        });
    }
}

impl<'r, 'd> Section<'r, 'd> {
    fn entry(&self, key: &'static str) -> Option<Entry<'r, 'd>> {
        self.asked.borrow_mut().push(key);
        self.table?.get(key)
    }

    fn wrong(&self, key: &str, value: Entry<'_, '_>, wanted: &str) {
        let shown = shown(value.get_ref());
        self.reader.report(
            value.span().start,
            format!("{} is {shown}", quoted(key)),
            Some(format!("it must be {wanted}")),
        );
    }

    /// Reports a mistake that concerns the value of `key`, or the whole file if the key is absent.
    pub(crate) fn refuse(&self, key: &str, what: &str, fix: &str) {
        let at = self
            .table
            .and_then(|table| table.get(key))
            .map_or(0, |value| value.span().start);
        self.reader
            .report(at, what.to_owned(), Some(fix.to_owned()));
    }

    /// Returns the line of a key, from 1; 0 if it is absent.
    pub(crate) fn line_of(&self, key: &str) -> usize {
        let mut keys = self.table.into_iter().flat_map(|table| table.keys());
        keys.find(|name| name.get_ref() == key)
            .map_or(0, |name| self.reader.line(name.span().start))
    }

    /// Returns the keys that `read` asks for.
    pub(crate) fn keys_of(read: impl FnOnce(&Section<'_, '_>)) -> Vec<&'static str> {
        let reader = Reader::bare("", "");
        let section = Section {
            reader: &reader,
            path: String::new(),
            table: None,
            asked: RefCell::default(),
        };
        read(&section);
        section.asked.into_inner()
    }

    /// Returns whether a key is present and was not asked for yet, and marks it as asked for.
    pub(crate) fn take_unread(&self, key: &'static str) -> bool {
        let unread = self.has(key) && !self.asked.borrow().contains(&key);
        if unread {
            self.asked.borrow_mut().push(key);
        }
        unread
    }

    /// Leaves the keys of this section unread without reporting them.
    pub(crate) fn ignore(self) {}

    /// Returns whether the key is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Returns whether this section is there and is a table.
    pub(crate) fn is_table(&self) -> bool {
        self.table.is_some()
    }

    /// Reads a whole number within a range.
    pub(crate) fn integer<T: TryFrom<u64>>(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<T> {
        let value = self.entry(key)?;
        let number = number(value, &range);
        if number.is_none() {
            let wanted = format!("a whole number from {} to {}", range.start(), range.end());
            self.wrong(key, value, &wanted);
        }
        number
    }

    /// Reads a power of two within a range.
    pub(crate) fn power_of_two<T: TryFrom<u64>>(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<T> {
        let number: u64 = self.integer(key, range)?;
        if !number.is_power_of_two() {
            let near = number.next_power_of_two();
            let what = format!("`{key}` is {number}, which is not a power of two");
            self.refuse(key, &what, &format!("set {} or {near}", near / 2));
        }
        T::try_from(number).ok()
    }

    /// Reads true or false.
    pub(crate) fn boolean(&self, key: &'static str) -> Option<bool> {
        let value = self.entry(key)?;
        let boolean = value.get_ref().as_bool();
        if boolean.is_none() {
            self.wrong(key, value, "true or false");
        }
        boolean
    }

    /// Reads a text.
    pub(crate) fn text(&self, key: &'static str) -> Option<Located<String>> {
        let value = self.entry(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong(key, value, "a text in quotes");
        }
        text.map(|text| self.located(value, text.to_owned()))
    }

    /// Reads one of a few texts, each with its meaning.
    pub(crate) fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.entry(key)?;
        let text = value.get_ref().as_str();
        let found = choices
            .iter()
            .find(|(choice, _)| Some(*choice) == text)
            .map(|(_, meaning)| *meaning);
        if found.is_none() {
            let list: Vec<String> = choices
                .iter()
                .map(|(choice, _)| format!("\"{choice}\""))
                .collect();
            self.wrong(key, value, &list.join(" or "));
        }
        found
    }

    /// Reads a list of such texts.
    pub(crate) fn choices<T: Copy>(
        &self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<Vec<T>> {
        let list: Vec<String> = choices
            .iter()
            .map(|(choice, _)| format!("\"{choice}\""))
            .collect();
        let wanted = format!("a list of {}", list.join(", "));
        let known = |text: &str| choices.iter().find(|(choice, _)| *choice == text);
        let texts = self.texts_that(key, &wanted, |text| known(text).is_some())?;
        let meanings = texts.iter().filter_map(|text| known(&text.value));
        Some(meanings.map(|(_, meaning)| *meaning).collect())
    }

    /// Reads an exact decimal that is not negative, as a number or in quotes.
    pub(crate) fn decimal(&self, key: &'static str) -> Option<Located<Decimal>> {
        self.decimal_of(key, self.entry(key)?)
    }

    fn decimal_of(&self, key: &str, value: Entry<'_, '_>) -> Option<Located<Decimal>> {
        let decimal = plain_decimal(value.get_ref()).filter(|text| !text.starts_with('-'));
        if decimal.is_none() {
            self.wrong(
                key,
                value,
                "a number such as 0.5, not negative and without an exponent",
            );
        }
        decimal.map(|text| self.located(value, Decimal(text)))
    }

    /// Reads a table whose keys are the user's, each with an exact decimal.
    pub(crate) fn decimals(&self) -> Vec<(Located<String>, Located<Decimal>)> {
        let entries = self.table.into_iter().flatten();
        entries
            .filter_map(|(name, value)| {
                let key = Located {
                    value: name.get_ref().to_string(),
                    line: self.reader.line(name.span().start),
                };
                Some((key, self.decimal_of(name.get_ref(), value)?))
            })
            .collect()
    }

    /// Reads a list of texts.
    pub(crate) fn texts(&self, key: &'static str) -> Option<Vec<Located<String>>> {
        self.texts_that(key, "a list of texts, such as [\"a\", \"b\"]", |_| true)
    }

    /// Reads a list of texts that satisfy `good`; `wanted` describes those.
    pub(crate) fn texts_that(
        &self,
        key: &'static str,
        wanted: &str,
        good: impl Fn(&str) -> bool,
    ) -> Option<Vec<Located<String>>> {
        let value = self.entry(key)?;
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, value, wanted);
            return None;
        };
        let mut texts = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_str().filter(|text| good(text)) {
                Some(text) => texts.push(self.located(item, text.to_owned())),
                None => self.wrong(key, item, wanted),
            }
        }
        Some(texts)
    }

    /// Reads a list of whole numbers within a range.
    pub(crate) fn integers<T: TryFrom<u64>>(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<Vec<T>> {
        let value = self.entry(key)?;
        let wanted = format!(
            "a list of whole numbers from {} to {}",
            range.start(),
            range.end()
        );
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, value, &wanted);
            return None;
        };
        let mut numbers = Vec::new();
        for item in array.iter() {
            match number(item, &range) {
                Some(number) => numbers.push(number),
                None => self.wrong(key, item, &wanted),
            }
        }
        Some(numbers)
    }

    /// Reads a limit: without the key it has its default, `false` takes it off, and `read` reads any other value.
    pub(crate) fn limit<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Self, &'static str) -> Option<T>,
    ) -> Setting<T> {
        match self.entry(key).map(|value| value.get_ref().as_bool()) {
            None => Setting::Default,
            Some(Some(false)) => Setting::Off,
            Some(_) => read(self, key).map_or(Setting::Default, Setting::To),
        }
    }

    /// Reads a table within this one; an absent one reads as empty.
    pub(crate) fn table(&self, key: &'static str) -> Section<'r, 'd> {
        let table = self.entry(key).and_then(|value| {
            let table = value.get_ref().as_table();
            if table.is_none() {
                self.wrong(key, value, &format!("a table: [{}]", self.dotted(key)));
            }
            table
        });
        Section {
            reader: self.reader,
            path: self.dotted(key),
            table,
            asked: RefCell::default(),
        }
    }

    /// Reads the tables within this one, whose names are the user's.
    pub(crate) fn tables(&self) -> Vec<(Located<String>, Section<'r, 'd>)> {
        let Some(table) = self.table else {
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (name, value) in table {
            let path = self.dotted(&Untrusted::up_to(MAX_VALUE, name.get_ref()).to_string());
            let Some(table) = value.get_ref().as_table() else {
                self.wrong(name.get_ref(), value, &format!("a table: [{path}]"));
                continue;
            };
            let name = Located {
                value: name.get_ref().to_string(),
                line: self.reader.line(name.span().start),
            };
            sections.push((
                name,
                Section {
                    reader: self.reader,
                    path,
                    table: Some(table),
                    asked: RefCell::default(),
                },
            ));
        }
        sections
    }

    /// Reads every key with its value as text: the parameters of a strategy, which only its manifest knows.
    pub(crate) fn parameters(&self) -> Vec<(String, Located<String>)> {
        let Some(table) = self.table else {
            return Vec::new();
        };
        let mut parameters = Vec::new();
        for (name, value) in table {
            match parameter_text(value.get_ref()) {
                Some(text) => {
                    parameters.push((name.get_ref().to_string(), self.located(value, text)))
                }
                None => self.wrong(name.get_ref(), value, "a number, a text, true or false"),
            }
        }
        parameters
    }

    /// Reports every key that was never asked for.
    pub(crate) fn finish(self) {
        let Some(table) = self.table else { return };
        let asked = self.asked.borrow();
        for name in table
            .keys()
            .filter(|name| !asked.contains(&name.get_ref().as_ref()))
        {
            if self.reader.is_full() {
                continue;
            }
            let fix = match nearest(name.get_ref(), asked.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None if self.reader.is_torn => continue,
                None if self.path.is_empty() => format!("known here: {}", asked.join(", ")),
                None => format!("known in [{}]: {}", self.path, asked.join(", ")),
            };
            self.reader.report(
                name.span().start,
                format!("unknown key {}", quoted(name.get_ref())),
                Some(fix),
            );
        }
    }

    fn located<T>(&self, value: Entry<'_, '_>, inner: T) -> Located<T> {
        Located {
            value: inner,
            line: self.reader.line(value.span().start),
        }
    }

    fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

fn whole(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// The number, if it is within the range.
fn number<T: TryFrom<u64>>(value: Entry<'_, '_>, range: &RangeInclusive<u64>) -> Option<T> {
    let number = whole(value.get_ref()).filter(|number| range.contains(number))?;
    T::try_from(number).ok()
}

fn plain_decimal(value: &DeValue<'_>) -> Option<String> {
    let text = match value {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        DeValue::Float(float) => float.as_str(),
        DeValue::String(text) => text.as_ref(),
        _ => return None,
    };
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (all_digits(whole) && all_digits(fraction)).then(|| text.trim_start_matches('+').to_owned())
}

/// A parameter's value as its strategy will read it.
fn parameter_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(integer) if integer.radix() == 10 => {
            Some(integer.as_str().trim_start_matches('+').to_owned())
        }
        DeValue::Float(float) => Some(float.as_str().trim_start_matches('+').to_owned()),
        DeValue::Boolean(boolean) => Some(boolean.to_string()),
        _ => None,
    }
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{}\"", Untrusted::up_to(MAX_VALUE, text)),
        DeValue::Integer(integer) => Untrusted::up_to(MAX_VALUE, integer.as_str()).to_string(),
        DeValue::Float(float) => Untrusted::up_to(MAX_VALUE, float.as_str()).to_string(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
