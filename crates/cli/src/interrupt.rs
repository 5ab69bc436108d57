//! Ctrl-C while something moves: the work is called off, so that nothing is left behind, and the exit code tells the signal.
//! Docker's client says nothing more.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, LazyLock, Once};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use wharfie_content::{Cancel, Event, Observer};

use crate::render::progress::Progress;

/// The signal that called off the work of this process; 0 if none did.
static RECEIVED: AtomicI32 = AtomicI32::new(0);

/// True while nobody listens any more.
static UNHEARD: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
static RESTORED: Once = Once::new();

/// 2 s: how long work may take to stop. What still waits for a registry then is left to the kernel, as without all this.
const PATIENCE: Duration = Duration::from_secs(2);

/// The exit code of a command that a signal has called off.
pub(crate) fn code() -> Option<u8> {
    match RECEIVED.load(Ordering::Relaxed) {
        0 => None,
        signal => u8::try_from(128 + signal).ok(),
    }
}

/// Progress of work that the user's signals call off.
pub(crate) struct Interruptible {
    progress: Box<dyn Progress>,
    cancel: Cancel,
    heard: Option<Handle>,
}

impl Interruptible {
    /// Listens from now on, until this is dropped.
    pub(crate) fn new(progress: Box<dyn Progress>) -> Self {
        let cancel = Cancel::default();
        UNHEARD.store(false, Ordering::Relaxed);
        let heard = Signals::new([SIGINT, SIGTERM]).ok().map(|signals| listen(signals, cancel.clone()));
        Self { progress, cancel, heard }
    }
}

impl Observer for Interruptible {
    fn observe(&self, event: Event) {
        self.progress.observe(event);
    }

    fn cancel(&self) -> Option<&Cancel> {
        Some(&self.cancel)
    }
}

impl Progress for Interruptible {
    fn line(&self, text: &str) {
        self.progress.line(text);
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        if let Some(heard) = &self.heard {
            heard.close();
            // Who has listened once has taken the signals from the system for ever: what follows is ended by them again.
            UNHEARD.store(true, Ordering::Relaxed);
            RESTORED.call_once(|| {
                for signal in [SIGINT, SIGTERM] {
                    let _ = signal_hook::flag::register_conditional_default(signal, Arc::clone(&UNHEARD));
                }
            });
        }
    }
}

fn listen(mut signals: Signals, cancel: Cancel) -> Handle {
    let handle = signals.handle();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if RECEIVED.swap(signal, Ordering::Relaxed) != 0 {
                // Who asks twice does not want to wait.
                leave(signal);
            }
            cancel.cancel();
            std::thread::spawn(move || {
                std::thread::sleep(PATIENCE);
                leave(signal);
            });
        }
    });
    handle
}

/// Ends the process as the signal would have without us.
fn leave(signal: i32) {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}
