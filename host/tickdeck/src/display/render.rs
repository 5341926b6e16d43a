//! Draws a [`ViewModel`]; the same model on the same area always gives the same picture.

use super::model::{
    Focus, Head, InstrumentRow, LogRow, OrderRow, Prompt, StrategyRow, Tone, ViewModel,
};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};
use tickdeck_model::untrusted::printable;

/// Minimum number of lines for orders and log.
const LEAST_LOWER: u16 = 5;

/// Columns for the working orders; the log takes the rest.
const ORDERS_WIDTH: u16 = 73;

/// Maximum number of version changes shown.
const MOST_CHANGES: usize = 4;

/// Maximum number of lines shown of a build or an event.
const MOST_LINES: usize = 6;

/// Draws the model on the whole frame.
pub fn render(frame: &mut Frame<'_>, model: &ViewModel) {
    let (focus_rows, change_rows) = middle(frame.area().height, model);
    let [
        title,
        head,
        instruments,
        strategies,
        focus,
        changes,
        lower,
        keys,
    ] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Max(table_rows(model.instruments.len())),
        Constraint::Max(table_rows(model.strategies.len())),
        Constraint::Length(focus_rows),
        Constraint::Length(change_rows),
        Constraint::Min(LEAST_LOWER),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_title(frame, title, model);
    frame.render_widget(Paragraph::new(head_line(&model.head, head.width)), head);
    draw_instruments(frame, instruments, &model.instruments);
    draw_strategies(frame, strategies, &model.strategies);
    if let Some(row) = &model.focus {
        draw_focus(frame, focus, row);
    }
    draw_lines(frame, changes, " changes ", &model.changes);
    let [orders, log] = Layout::horizontal([
        Constraint::Length(ORDERS_WIDTH.min(lower.width / 2)),
        Constraint::Min(0),
    ])
    .areas(lower);
    draw_orders(frame, orders, &model.orders);
    draw_lines(frame, log, " log ", &model.log);
    frame.render_widget(Paragraph::new(keys_line(model)), keys);
}

/// Returns the height of a table with header and border.
fn table_rows(rows: usize) -> u16 {
    u16::try_from(rows + 3).unwrap_or(u16::MAX)
}

/// Returns the heights of the focus and of the changes, as far as the rest leaves space. The focus comes first, because the
/// operator is looking at it; at least one change is always shown.
fn middle(height: u16, model: &ViewModel) -> (u16, u16) {
    let tables = table_rows(model.instruments.len())
        .saturating_add(table_rows(model.strategies.len()))
        .saturating_add(3 + LEAST_LOWER);
    let space = usize::from(height.saturating_sub(tables));
    let boxed = |lines: usize, most: usize, space: usize| match lines.min(most) {
        0 => 0,
        lines => 2 + lines.min(space.saturating_sub(2)).max(1),
    };
    let lines = model.focus.as_ref().map(|focus| 1 + focus.lines.len());
    let least_changes = boxed(model.changes.len(), 1, 0);
    let space_for_focus = space.saturating_sub(least_changes);
    let focus = boxed(lines.unwrap_or(0), 1 + MOST_LINES, space_for_focus);
    let changes = boxed(
        model.changes.len(),
        MOST_CHANGES,
        space.saturating_sub(focus),
    );
    let rows = |rows| u16::try_from(rows).unwrap_or(u16::MAX);
    (rows(focus), rows(changes))
}

fn draw_title(frame: &mut Frame<'_>, area: Rect, model: &ViewModel) {
    let (mode, tone) = &model.mode;
    let left = Line::from(vec![
        Span::styled(
            " tickdeck ",
            Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
        ),
        Span::raw(" "),
        Span::raw(model.title.as_str()),
    ]);
    let right = Line::from(vec![
        Span::raw(model.time.as_str()),
        Span::raw("  "),
        Span::styled(mode.as_str(), style(*tone).add_modifier(Modifier::BOLD)),
        Span::raw(" "),
    ]);
    let [left_area, right_area] =
        Layout::horizontal([Constraint::Min(0), Constraint::Length(right.width() as u16)])
            .areas(area);
    frame.render_widget(Paragraph::new(left), left_area);
    frame.render_widget(
        Paragraph::new(right).alignment(Alignment::Right),
        right_area,
    );
}

/// The figures of the whole deck, as many as fit: a truncated number would be a different number.
fn head_line(head: &Head, width: u16) -> Line<'_> {
    let denied = match head.denied.as_str() {
        "0" => Tone::Plain,
        _ => Tone::Warning,
    };
    // In display order, each with its rank; the highest ranks are dropped first.
    let mut figures = vec![
        (7, "events", &head.events, Tone::Plain),
        (8, "rate", &head.rate, Tone::Plain),
        (9, "actions", &head.actions, Tone::Plain),
        (5, "orders", &head.orders, Tone::Plain),
        (4, "denied", &head.denied, denied),
        (6, "fills", &head.fills, Tone::Plain),
        (1, "pnl", &head.profit.0, head.profit.1),
        (2, "capital", &head.capital, Tone::Plain),
        (3, "data faults", &head.data, Tone::Warning),
        (10, "memory", &head.memory, Tone::Plain),
    ];
    figures.retain(|(_, _, value, _)| !value.is_empty());
    for rank in (1..=10).rev() {
        let widths = figures.iter().map(|(_, label, value, _)| {
            Span::raw(*label).width() + Span::raw(value.as_str()).width() + 3
        });
        if widths.sum::<usize>() <= usize::from(width) {
            break;
        }
        figures.retain(|(other, ..)| *other != rank);
    }
    let spans = figures.into_iter().flat_map(|(_, label, value, tone)| {
        [
            Span::styled(format!(" {label} "), style(Tone::Faint)),
            Span::styled(format!("{value} "), style(tone)),
        ]
    });
    Line::from_iter(spans)
}

fn draw_instruments(frame: &mut Frame<'_>, area: Rect, rows: &[InstrumentRow]) {
    let widths = [14, 12, 12, 12, 12, 12, 11, 6];
    let header = [
        "<instrument",
        "bid size",
        "bid",
        "ask",
        "ask size",
        "last",
        "events",
        "<state",
    ];
    let cells = rows.iter().map(|row| {
        vec![
            left(&row.symbol, Tone::Plain),
            right(&row.bid_size, Tone::Faint),
            right(&row.bid, Tone::Good),
            right(&row.ask, Tone::Bad),
            right(&row.ask_size, Tone::Faint),
            right(&row.last, Tone::Plain),
            right(&row.events, Tone::Faint),
            left(&row.state.0, row.state.1),
        ]
    });
    draw_table(
        frame,
        area,
        " instruments ".to_owned(),
        &header,
        &widths,
        &[6, 1, 4],
        cells.collect(),
    );
}

fn draw_strategies(frame: &mut Frame<'_>, area: Rect, rows: &[StrategyRow]) {
    let widths = [16, 10, 11, 11, 11, 11, 9, 20, 8, 10, 9, 9];
    let header = [
        "<strategy",
        "<version",
        "<state",
        "pnl",
        "realised",
        "unrealised",
        "fees",
        "<position",
        "actions",
        "events",
        "per event",
        "memory",
    ];
    // Not in a replay: the column would be empty.
    let has_memory = rows.iter().any(|row| row.memory != "-");
    let columns = header.len() - usize::from(!has_memory);
    let cells = rows.iter().map(|row| {
        let mut cells = vec![
            left(&row.name, Tone::Plain),
            left(&row.version, Tone::Faint),
            left(&row.state.0, row.state.1),
            right(&row.profit.0, row.profit.1),
            right(&row.realised, Tone::Plain),
            right(&row.unrealised, Tone::Plain),
            right(&row.fees, Tone::Plain),
            left(&row.position, Tone::Plain),
            right(&row.actions, Tone::Plain),
            right(&row.events, Tone::Faint),
            right(&row.time, Tone::Faint),
            right(&row.memory, Tone::Faint),
        ];
        cells.truncate(columns);
        cells
    });
    draw_table(
        frame,
        area,
        " strategies ".to_owned(),
        &header[..columns],
        &widths[..columns],
        &[11, 9, 6, 10, 5, 4, 8, 1][usize::from(!has_memory)..],
        cells.collect(),
    );
}

fn draw_orders(frame: &mut Frame<'_>, area: Rect, rows: &[OrderRow]) {
    let widths = [16, 9, 4, 14, 12, 11];
    let header = ["<strategy", "<symbol", "<side", "filled", "price", "<state"];
    let cells = rows.iter().map(|row| {
        vec![
            left(&row.strategy, Tone::Plain),
            left(&row.symbol, Tone::Plain),
            left(&row.side.0, row.side.1),
            right(&row.size, Tone::Plain),
            right(&row.price, Tone::Plain),
            left(&row.state, Tone::Faint),
        ]
    });
    draw_table(
        frame,
        area,
        " working orders ".to_owned(),
        &header,
        &widths,
        &[5, 0],
        cells.collect(),
    );
}

fn draw_focus(frame: &mut Frame<'_>, area: Rect, row: &Focus) {
    let block = block(row.title.to_owned());
    let inner = block.inner(area);
    let space = usize::from(inner.height).saturating_sub(1);
    let (headline, tone) = &row.headline;
    let mut lines = vec![Line::styled(fitting(headline, inner.width), style(*tone))];
    // If there are too many lines, the last one says how many are missing.
    let shown = match row.lines.len() > space {
        true => space.saturating_sub(1),
        false => space,
    };
    let first = row.lines.iter().take(shown);
    lines.extend(first.map(|line| Line::raw(fitting(line, inner.width))));
    if row.lines.len() > shown {
        let more = format!("... and {} more", row.lines.len() - shown);
        lines.push(Line::styled(more, style(Tone::Faint)));
    }
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// Draws the last lines that fit, with their times.
fn draw_lines(frame: &mut Frame<'_>, area: Rect, title: &str, rows: &[LogRow]) {
    let block = block(title.to_owned());
    let inner = block.inner(area);
    let first = rows.len().saturating_sub(usize::from(inner.height));
    let line = |row: &LogRow| {
        let time = format!("{} ", row.time);
        let width = inner
            .width
            .saturating_sub(u16::try_from(time.len()).unwrap_or(u16::MAX));
        let text = fitting(&row.text, width);
        Line::from(vec![
            Span::styled(time, style(Tone::Faint)),
            Span::styled(text, style(row.tone)),
        ])
    };
    let shown: Vec<Line<'_>> = rows[first..].iter().map(line).collect();
    frame.render_widget(Paragraph::new(shown).block(block), area);
}

/// Fits a text on one line; an ellipsis marks that it was cut.
fn fitting(text: &str, columns: u16) -> String {
    let one_line = text.replace('\n', " ");
    let one_line = printable(&one_line);
    let most = usize::from(columns);
    if one_line.chars().count() <= most {
        return one_line.into_owned();
    }
    let cut = one_line.chars().take(most.saturating_sub(1));
    cut.chain(std::iter::once('…')).take(most).collect()
}

fn keys_line(model: &ViewModel) -> Line<'_> {
    if model.prompt == Prompt::Kill {
        let question = " kill: cancel every order and deny new ones? y yes, any other key no ";
        return Line::styled(
            question,
            style(Tone::Bad).add_modifier(Modifier::REVERSED | Modifier::BOLD),
        );
    }
    let live = [
        ("q", "quit"),
        ("p", "pause all"),
        ("r", "resume"),
        ("k", "kill"),
    ];
    let step = [
        ("q", "quit"),
        ("Enter", "next event"),
        ("1-9", "and Enter: that many events"),
    ];
    let (keys, typed) = match model.prompt {
        Prompt::Step(typed) => (&step[..], Some(typed)),
        _ => (&live[..], None),
    };
    let mut spans = Vec::new();
    for (key, meaning) in keys {
        spans.push(Span::styled(
            format!(" {key} "),
            Style::new().add_modifier(Modifier::REVERSED),
        ));
        spans.push(Span::raw(format!(" {meaning}  ")));
    }
    if let Some(typed) = typed.filter(|typed| *typed > 0) {
        spans.push(Span::raw(typed.to_string()));
    }
    Line::from(spans)
}

/// Draws a table. A column whose header starts with `<` is left-aligned, any other right-aligned. If the area is too narrow
/// for all columns, those in `dispensable` are left out, in that order.
fn draw_table(
    frame: &mut Frame<'_>,
    area: Rect,
    title: String,
    header: &[&str],
    widths: &[u16],
    dispensable: &[usize],
    rows: Vec<Vec<Cell<'_>>>,
) {
    const BORDERS: u16 = 2;
    let mut shown = vec![true; widths.len()];
    let needed = |shown: &[bool]| -> u16 {
        let kept = widths.iter().zip(shown).filter(|(_, shown)| **shown);
        kept.map(|(width, _)| width + 1).sum()
    };
    for column in dispensable {
        if needed(&shown) + BORDERS <= area.width + 1 {
            break;
        }
        shown[*column] = false;
    }
    let names = header.iter().map(|name| match name.strip_prefix('<') {
        Some(name) => left(name, Tone::Faint),
        None => right(name, Tone::Faint),
    });
    let columns = widths.iter().zip(&shown).filter(|(_, shown)| **shown);
    let widths: Vec<Constraint> = columns
        .map(|(width, _)| Constraint::Length(*width))
        .collect();
    let header = kept(names.collect(), &shown);
    let table = Table::new(rows.into_iter().map(|cells| kept(cells, &shown)), widths)
        .header(header)
        .column_spacing(1)
        .block(block(title));
    frame.render_widget(table, area);
}

/// Returns the cells of the columns that are shown.
fn kept<'c>(cells: Vec<Cell<'c>>, shown: &[bool]) -> Row<'c> {
    let cells = cells.into_iter().zip(shown);
    Row::new(cells.filter_map(|(cell, shown)| shown.then_some(cell)))
}

fn block(title: String) -> Block<'static> {
    Block::new()
        .borders(Borders::ALL)
        .border_style(style(Tone::Faint))
        .title(title)
}

fn left(text: &str, tone: Tone) -> Cell<'_> {
    Cell::new(Line::styled(text, style(tone)))
}

fn right(text: &str, tone: Tone) -> Cell<'_> {
    Cell::new(Line::styled(text, style(tone)).alignment(Alignment::Right))
}

const fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Faint => Style::new().fg(Color::DarkGray),
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Bad => Style::new().fg(Color::Red),
        Tone::Warning => Style::new().fg(Color::Yellow),
    }
}
