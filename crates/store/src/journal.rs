//! The journal: what was changed, when, in the order in which it was. Each entry is written by the transaction that makes the
//! change, so there is none without the other.

use std::collections::BTreeMap;
use std::thread::ThreadId;

use rusqlite::{Row, Transaction, params};

use crate::error::Result;
use crate::store::Store;

/// What is about to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What was changed.
    pub kind: Kind,
    /// What was done to it, docker's word: `create`, `die`, `tag`.
    pub action: String,
    /// Its id or name.
    pub object: String,
    /// What else is to be known.
    pub attributes: BTreeMap<String, String>,
}

/// What can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A container.
    Container,
    /// An image, or a name of one.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
}

impl Kind {
    /// Docker's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Container, Self::Image, Self::Network, Self::Volume].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its place in the journal; later ones are higher.
    pub sequence: i64,
    /// When, in nanoseconds since 1970.
    pub time: i64,
    /// What happened.
    pub note: Note,
}

/// Events that wait for a transaction, and the threads whose they are.
pub(crate) type Pending = Vec<(ThreadId, Note)>;

impl Store {
    /// Runs `change`. The first transaction that it commits writes these events down, too; if it commits none, nothing
    /// happened.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn noting<T, E>(&self, events: Vec<Note>, change: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        let us = std::thread::current().id();
        let before = self.pending().iter().filter(|(whose, _)| *whose == us).count();
        self.pending().extend(events.into_iter().map(|event| (us, event)));
        let result = change(self);
        // Those of whoever called us still wait.
        let mut own = 0;
        self.pending().retain(|(whose, _)| {
            own += usize::from(*whose == us);
            *whose != us || own <= before
        });
        result
    }

    /// Writes down what changed nothing here.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn note(&self, event: Note) -> Result<()> {
        self.noting(vec![event], |store| store.write(|_| Ok(())))
    }

    /// Writes down, within a transaction, the events that wait for one of this thread's.
    pub(crate) fn write_pending(&self, db: &Transaction<'_>) -> rusqlite::Result<()> {
        let us = std::thread::current().id();
        let waiting: Vec<Note> = {
            let pending = self.pending();
            pending.iter().filter(|(whose, _)| *whose == us).map(|(_, event)| event.clone()).collect()
        };
        for event in waiting {
            self.write_event(db, &event)?;
        }
        Ok(())
    }

    /// After the transaction of [`Self::write_pending`] is committed.
    pub(crate) fn forget_pending(&self) {
        let us = std::thread::current().id();
        self.pending().retain(|(whose, _)| *whose != us);
    }

    /// Writes an event down within a transaction.
    pub(crate) fn write_event(&self, db: &Transaction<'_>, event: &Note) -> rusqlite::Result<()> {
        let attributes = serde_json::to_string(&event.attributes).expect("texts can be written");
        db.execute(
            "INSERT INTO event (time, kind, action, object, attributes) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![self.now().to_nanos(), event.kind.as_str(), event.action, event.object, attributes],
        )?;
        let sequence = db.last_insert_rowid();
        if sequence % TIDIED_EVERY == 0 {
            db.execute("DELETE FROM event WHERE sequence <= ?1", [sequence - KEPT])?;
        }
        Ok(())
    }

    /// What was written down after the entry `after`, oldest first.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn journal(&self, after: i64) -> Result<Vec<JournalEntry>> {
        if !self.has_journal()? {
            return Ok(Vec::new());
        }
        self.read(|db| {
            let sql = "SELECT sequence, time, kind, action, object, attributes FROM event WHERE sequence > ?1 \
                       ORDER BY sequence";
            db.prepare(sql)?.query_map([after], entry)?.collect()
        })
    }

    /// The last entry's place; 0 if there is none.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn journal_end(&self) -> Result<i64> {
        if !self.has_journal()? {
            return Ok(0);
        }
        self.read(|db| db.query_row("SELECT coalesce(max(sequence), 0) FROM event", [], |row| row.get(0)))
    }

    /// False for a store of before there was one, which nobody has written to since.
    fn has_journal(&self) -> Result<bool> {
        self.read(|db| db.query_row("SELECT count(*) FROM sqlite_master WHERE name = 'event'", [], |row| row.get(0)))
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<JournalEntry> {
    let (kind, attributes): (String, String) = (row.get(2)?, row.get(5)?);
    Ok(JournalEntry {
        sequence: row.get(0)?,
        time: row.get(1)?,
        note: Note {
            kind: Kind::parse(&kind).ok_or(rusqlite::Error::InvalidQuery)?,
            action: row.get(3)?,
            object: row.get(4)?,
            attributes: serde_json::from_str(&attributes).unwrap_or_default(),
        },
    })
}

/// Entries that are kept at least. Docker keeps 256, and forgets them when its daemon ends.
const KEPT: i64 = 10_000;
const TIDIED_EVERY: i64 = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::store::Options;

    fn options() -> Options {
        Options {
            platform: wharfie_oci::Platform::host(),
            clock: || wharfie_oci::Timestamp::ZERO,
            grace: 0,
            keep_limit: 0,
            keep_free: 0,
            snapshots: None,
            remove: |_| false,
        }
    }

    fn note(action: &str) -> Note {
        Note { kind: Kind::Image, action: action.to_owned(), object: "x".to_owned(), attributes: BTreeMap::new() }
    }

    fn actions(store: &Store) -> Vec<String> {
        store.journal(0).unwrap().into_iter().map(|entry| entry.note.action).collect()
    }

    #[test]
    fn what_fails_is_not_written_down() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path(), options()).unwrap();
        let failed = store.noting(vec![note("one")], |store| {
            store.write(|_| Err::<(), _>(Error::io("write", place.path())(std::io::ErrorKind::StorageFull.into())))
        });
        assert!(failed.is_err() && actions(&store).is_empty());
        // Nor is what changed nothing; and neither waits for the next one.
        store.noting(vec![note("two")], |_| Ok::<_, Error>(())).unwrap();
        store.note(note("three")).unwrap();
        assert_eq!(actions(&store), ["three"]);
    }

    #[test]
    fn the_events_of_a_change_within_a_change_go_with_it() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path(), options()).unwrap();
        let inner = |store: &Store| store.noting(vec![note("inner")], |_| Ok::<_, Error>(()));
        store.noting(vec![note("outer")], |store| inner(store).and_then(|()| store.write(|_| Ok(())))).unwrap();
        assert_eq!(actions(&store), ["outer"]);
    }

    #[test]
    fn threads_write_down_their_own() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path(), options()).unwrap();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let store = &store;
                scope.spawn(move || store.note(note(&number.to_string())).unwrap());
            }
        });
        let mut told = actions(&store);
        told.sort();
        assert_eq!(told, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    }
}
