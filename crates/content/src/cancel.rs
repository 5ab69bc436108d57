//! Calling off work that is under way.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Calls off work, from any thread. Clones are the same one. Who does the work looks at it between two steps, so what has been
/// written so far is taken back or kept as after any other failure.
#[derive(Clone, Default)]
pub struct Cancel(Arc<State>);

#[derive(Default)]
struct State {
    is_cancelled: AtomicBool,
    waiting: Mutex<()>,
    changed: Condvar,
}

/// The work was called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("context canceled")]
pub struct Cancelled;

impl Cancel {
    /// Calls the work off. Idempotent.
    pub fn cancel(&self) {
        let _turn = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.is_cancelled.store(true, Ordering::Relaxed);
        self.0.changed.notify_all();
    }

    /// True once the work has been called off.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::Relaxed)
    }

    /// Goes on unless the work has been called off.
    ///
    /// # Errors
    /// When it has.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() { Err(Cancelled) } else { Ok(()) }
    }

    /// Lets time pass, unless the work is or has been called off.
    ///
    /// # Errors
    /// When it is.
    pub fn pause(&self, time: Duration) -> Result<(), Cancelled> {
        let turn = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.changed.wait_timeout_while(turn, time, |()| !self.is_cancelled());
        drop(waited);
        self.check()
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_cancelled()).finish()
    }
}

impl From<Cancelled> for io::Error {
    fn from(why: Cancelled) -> Self {
        // No kind that a reader would answer by reading on.
        Self::other(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_pauses_is_woken() {
        let cancel = Cancel::default();
        assert_eq!(cancel.pause(Duration::from_millis(1)), Ok(()));
        std::thread::scope(|scope| {
            let pausing = scope.spawn(|| cancel.pause(Duration::from_secs(600)));
            cancel.clone().cancel();
            assert_eq!(pausing.join().unwrap(), Err(Cancelled));
        });
        assert_eq!((cancel.check(), cancel.pause(Duration::from_secs(600))), (Err(Cancelled), Err(Cancelled)));
    }
}
