//! Tables of plain text.

/// Lays out rows in columns two spaces apart. A column whose header starts with `<` is left-aligned, any other right-aligned.
pub fn aligned<const N: usize>(header: &[&str; N], rows: &[[String; N]]) -> String {
    let name = |column: usize| header[column].trim_start_matches('<');
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([name(column).chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cell: &dyn Fn(usize) -> String| {
        let cells = (0..N).map(|column| {
            let (text, width) = (cell(column), widths[column]);
            if header[column].starts_with('<') {
                format!("{text:<width$}")
            } else {
                format!("{text:>width$}")
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let head = line(&|column| name(column).to_owned());
    rows.iter().fold(head, |text, row| {
        text + &line(&|column| row[column].clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_with_their_headers() {
        let rows = [
            ["ema".to_owned(), "1,234".to_owned()],
            ["market-maker".to_owned(), "5".to_owned()],
        ];
        let text = aligned(&["<strategy", "events"], &rows);
        assert_eq!(
            text,
            "strategy      events\nema            1,234\nmarket-maker       5\n"
        );
    }
}
