//! Draws a [`ViewModel`]: the same model on the same area is always the same picture.

use super::model::{Head, InstrumentRow, LogRow, OrderRow, Prompt, StrategyRow, Tone, ViewModel};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};

/// Lines that orders and log get at least.
const LEAST_LOWER: u16 = 5;

/// Columns that the working orders need; the log takes the rest.
const ORDERS_WIDTH: u16 = 73;

/// Draws the model on the whole frame.
pub fn render(frame: &mut Frame<'_>, model: &ViewModel) {
    let bordered = |rows: usize| u16::try_from(rows + 3).unwrap_or(u16::MAX);
    let [title, head, instruments, strategies, lower, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Max(bordered(model.instruments.len())),
        Constraint::Max(bordered(model.strategies.len())),
        Constraint::Min(LEAST_LOWER),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_title(frame, title, model);
    frame.render_widget(Paragraph::new(head_line(&model.head)), head);
    draw_instruments(frame, instruments, &model.instruments);
    draw_strategies(frame, strategies, &model.strategies);
    let [orders, log] = Layout::horizontal([
        Constraint::Length(ORDERS_WIDTH.min(lower.width / 2)),
        Constraint::Min(0),
    ])
    .areas(lower);
    draw_orders(frame, orders, &model.orders);
    draw_log(frame, log, &model.log);
    frame.render_widget(Paragraph::new(keys_line(model)), keys);
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

fn head_line(head: &Head) -> Line<'_> {
    let mut spans = Vec::new();
    let mut figure = |label: &'static str, value: &str, tone: Tone| {
        spans.push(Span::styled(format!(" {label} "), style(Tone::Faint)));
        spans.push(Span::styled(format!("{value} "), style(tone)));
    };
    figure("events", &head.events, Tone::Plain);
    figure("rate", &head.rate, Tone::Plain);
    figure("actions", &head.actions, Tone::Plain);
    figure("orders", &head.orders, Tone::Plain);
    figure(
        "denied",
        &head.denied,
        if head.denied == "0" {
            Tone::Plain
        } else {
            Tone::Warning
        },
    );
    figure("fills", &head.fills, Tone::Plain);
    figure("pnl", &head.profit.0, head.profit.1);
    figure("capital", &head.capital, Tone::Plain);
    Line::from(spans)
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
    let widths = [16, 8, 9, 11, 11, 11, 9, 20, 8, 10, 9];
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
    ];
    let cells = rows.iter().map(|row| {
        vec![
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
        ]
    });
    draw_table(
        frame,
        area,
        " strategies ".to_owned(),
        &header,
        &widths,
        &[9, 1, 6, 5, 4, 10, 8],
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

fn draw_log(frame: &mut Frame<'_>, area: Rect, rows: &[LogRow]) {
    let block = block(" log ".to_owned());
    let lines = usize::from(block.inner(area).height);
    let shown: Vec<Line<'_>> = rows[rows.len().saturating_sub(lines)..]
        .iter()
        .map(|row| {
            Line::from(vec![
                Span::styled(format!("{} ", row.time), style(Tone::Faint)),
                Span::styled(row.text.as_str(), style(row.tone)),
            ])
        })
        .collect();
    frame.render_widget(Paragraph::new(shown).block(block), area);
}

fn keys_line(model: &ViewModel) -> Line<'_> {
    if model.prompt == Prompt::Kill {
        let question = " kill: cancel every order and deny new ones? y yes, any other key no ";
        return Line::styled(
            question,
            style(Tone::Bad).add_modifier(Modifier::REVERSED | Modifier::BOLD),
        );
    }
    let mut spans = Vec::new();
    for (key, meaning) in [
        ("q", "quit"),
        ("p", "pause all"),
        ("r", "resume"),
        ("k", "kill"),
    ] {
        spans.push(Span::styled(
            format!(" {key} "),
            Style::new().add_modifier(Modifier::REVERSED),
        ));
        spans.push(Span::raw(format!(" {meaning}  ")));
    }
    Line::from(spans)
}

/// A table; a header that starts with `<` stands left, the others right. Where it is too narrow for all columns, those
/// of `dispensable` are left out, the first of them first.
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

/// The cells of the columns that are shown.
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
