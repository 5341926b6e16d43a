//! A recorded run in the terminal view, event by event.

use crate::display::{Focus, KeyCommand, MessageLog, Prompt, Screen, Tone, view};
use anyhow::Result;
use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use tickdeck_deck::feed::{FeedLine, OperatorFeed, Topic, Weight};
use tickdeck_engine::Effect;
use tickdeck_model::Event;
use tickdeck_recording::Pacing;
use tickdeck_recording::describe;
use tickdeck_recording::names::Names;

/// Between two looks at the keys and at the run.
const FRAME: Duration = Duration::from_millis(50);
/// Working orders that the view shows at most.
const MOST_ORDERS: usize = 100;

/// An event with what it led to, and whether the run waits there.
type Shown = (Event, Vec<Effect>, bool);

/// The display's side of a run that goes event by event.
pub(super) struct StepView {
    shown: Receiver<Shown>,
    /// How many events may pass; 0 ends the run.
    pass: Sender<u64>,
}

/// Whether there is a terminal for the view.
pub(super) fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

impl StepView {
    /// The two sides of it: this one for the display, the other for the run.
    pub(super) fn new() -> (Self, Pacing) {
        let (to_display, shown) = channel();
        let (pass, passed) = channel();
        let show = Box::new(move |event: &Event, effects: &[Effect], waits: bool| {
            if effects.is_empty() && !waits {
                return 0;
            }
            let sent = to_display.send((*event, effects.to_vec(), waits));
            // Without a display nobody could let anything pass.
            match sent {
                Ok(()) if waits => passed.recv().unwrap_or(0),
                _ => 0,
            }
        });
        (Self { shown, pass }, Pacing::Shown(show))
    }

    /// Shows event after event until the run is over or the operator ends it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn watch(self, title: &str, feed: &OperatorFeed, names: &Names) -> Result<()> {
        let mut screen = Screen::asking(Prompt::Step(0))?;
        let mut told = MessageLog::default();
        let mut focus = None;
        let mut waits = false;
        loop {
            match self
                .shown
                .recv_timeout(if waits { Duration::ZERO } else { FRAME })
            {
                Ok((event, effects, waited)) => {
                    let event_shown = looked_at(&event, &effects, names);
                    told.hear(led_to(&event, &event_shown));
                    focus = Some(event_shown);
                    waits = waited;
                    if !waits {
                        continue;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            told.hear(feed.lines(names).with_omissions());
            let rows = screen.rows().min(MOST_ORDERS);
            let mut model = view(title, &feed.latest(), 0.0, &told, rows, names);
            model.focus.clone_from(&focus);
            model.mode.0 = if waits { "waits" } else { "plays" }.to_owned();
            // Nothing goes by here.
            model.head.rate = "-".to_owned();
            screen.draw(model)?;
            match screen.wish(FRAME)? {
                Some(KeyCommand::Quit) => return Ok(()),
                Some(KeyCommand::Pass(count)) if waits => {
                    waits = false;
                    // A run that is over does not listen.
                    let _ = self.pass.send(count);
                }
                _ => {}
            }
        }
    }
}

/// What an event led to, for the log.
fn led_to(event: &Event, shown: &Focus) -> Vec<FeedLine> {
    let line = |text: &String| FeedLine {
        at: event.ts_host,
        topic: Topic::Notified,
        weight: Weight::Note,
        text: format!("#{} {text}", event.sequence),
    };
    shown.lines.iter().map(line).collect()
}

/// An event, and what it led to.
fn looked_at(event: &Event, effects: &[Effect], names: &Names) -> Focus {
    let words = describe::happening(event, names);
    let led_to = effects
        .iter()
        .filter_map(|effect| describe::effect(effect, names));
    Focus {
        title: " event ",
        headline: (format!("#{} {words}", event.sequence), Tone::Plain),
        lines: led_to.collect(),
    }
}
