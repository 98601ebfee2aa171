//! What the server writes into its log meanwhile: nothing of anybody's secrets and rows, and no client's text that a log's reader
//! would take for another line.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// What must not be in it; what was there all the same; how many events there were.
struct Watched {
    forbidden: Vec<String>,
    found: Mutex<Vec<String>>,
    /// What went wrong in the server's own words.
    errors: Mutex<Vec<String>>,
    events: AtomicUsize,
}

static WATCHED: OnceLock<Watched> = OnceLock::new();

/// Sees every event of this process, whoever caused it: marks and secrets are in no other test.
struct Reader;

/// Watches the log of this process from now on.
pub(super) fn watch(forbidden: Vec<String>) {
    let watched =
        Watched { forbidden, found: Mutex::default(), errors: Mutex::default(), events: AtomicUsize::new(0) };
    assert!(WATCHED.set(watched).is_ok(), "one test watches the log");
    tracing::subscriber::set_global_default(Reader).expect("no other test reads the log");
}

/// How many events there were, and which had something that does not belong there.
pub(super) fn seen() -> (usize, Vec<String>) {
    let watched = WATCHED.get().expect("the log is watched");
    (watched.events.load(Ordering::Relaxed), watched.found.lock().expect("no test panics here").clone())
}

/// The first errors that the server logged.
pub(super) fn errors() -> Vec<String> {
    WATCHED.get().expect("the log is watched").errors.lock().expect("no test panics here").clone()
}

impl Subscriber for Reader {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("hedgerow")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let Some(watched) = WATCHED.get() else { return };
        watched.events.fetch_add(1, Ordering::Relaxed);
        let mut text = Text(event.metadata().name().to_owned());
        event.record(&mut text);
        if *event.metadata().level() == Level::ERROR {
            let mut errors = watched.errors.lock().expect("no test panics here");
            if errors.len() < 20 {
                errors.push(text.0.clone());
            }
        }
        let is_foreign = |byte: u8| byte < 0x20 || byte == 0x7f;
        let is_wrong = watched.forbidden.iter().any(|secret| text.0.contains(secret.as_str()))
            || text.0.contains("X-Injected")
            || text.0.bytes().any(is_foreign);
        if is_wrong {
            let mut found = watched.found.lock().expect("no test panics here");
            if found.len() < 20 {
                found.push(text.0.escape_debug().to_string());
            }
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push_str(&format!(" {field}={value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!(" {field}={value:?}"));
    }
}
