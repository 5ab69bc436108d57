//! Events: what happened to containers, images, networks and volumes, as docker tells it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use wharfie_model::event::{Actor, Event};
use wharfie_oci::{ImageId, Timestamp};
use wharfie_store::Store;
use wharfie_store::containers::ContainerRow;
use wharfie_store::journal::{JournalEntry, Kind, Note};

use crate::container::{Settings, readable_settings};
use crate::engine::Engine;
use crate::error::Result;
use crate::filter::{Conditions, Labels};
use crate::watch::{Watch, time_left};

/// What of the journal is asked for.
#[derive(Debug, Clone, Default)]
pub struct EventFilters {
    conditions: Conditions,
    labels: Labels,
}

impl EventFilters {
    /// Judges filters.
    ///
    /// # Errors
    /// For a name that is none.
    pub fn parse(pairs: &[(String, String)]) -> Result<Self> {
        let known = &["type", "event", "container", "image", "network", "volume", "label", "scope"];
        let conditions = Conditions::parse(pairs, known)?;
        Ok(Self { labels: conditions.labels(), conditions })
    }

    /// Whether all that was asked fits an event.
    pub fn accept(&self, event: &Event) -> bool {
        let Actor { id, attributes } = &event.actor;
        let attribute = |name: &str| attributes.get(name).map(String::as_str).unwrap_or_default();
        let is = |kind: Kind| event.kind == kind.as_str();
        let named = |kind: Kind, value: &str| {
            is(kind) && (id.starts_with(value) && !value.is_empty() || attribute("name") == value)
        };
        let asked = &self.conditions;
        asked.any("type", |value| value == event.kind)
            // `exec_create: sh` is asked for without the command.
            && asked.any("event", |value| event.action == value || event.action.split(':').next() == Some(value))
            && asked.any("container", |value| named(Kind::Container, value) || attribute("container") == value)
            && asked.any("image", |value| {
                named(Kind::Image, value) || (is(Kind::Container) && attribute("image") == value)
            })
            && asked.any("network", |value| named(Kind::Network, value))
            && asked.any("volume", |value| named(Kind::Volume, value))
            && asked.any("scope", |value| value == event.scope)
            && self.labels.accept(attributes)
    }
}

/// What of the journal is told.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// What all that is told must fit.
    pub filters: EventFilters,
    /// Only what happened at this moment or later; without it, only what is still to happen.
    pub since: Option<Timestamp>,
    /// Only what happened until this moment; without it, there is no end.
    pub until: Option<Timestamp>,
}

/// What happens, one event after the other. Asking for the next one waits for it.
pub struct Events<'a> {
    store: &'a Store,
    query: EventQuery,
    changes: Option<Watch>,
    /// What has been read and not been told yet.
    read: VecDeque<JournalEntry>,
    /// The last entry that was read.
    last: i64,
    /// Nothing more can come.
    is_over: bool,
}

impl Engine {
    /// What happened and happens.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn events(&self, query: EventQuery) -> Result<Events<'_>> {
        let is_followed = query.until.is_none_or(|until| until > (self.config().store.clock)());
        // Who waits for what is still to be written needs a place where it will be.
        let store = if is_followed { self.writer().or_else(|_| self.reader())? } else { self.reader()? };
        // Watched before it is read: nothing is written in between that nobody notices.
        let changes = is_followed.then(|| Watch::directory(store.root()));
        let last = if query.since.is_some() { 0 } else { store.journal_end()? };
        Ok(Events { store, query, changes, read: VecDeque::new(), last, is_over: false })
    }
}

impl Events<'_> {
    fn next_event(&mut self) -> Result<Option<Event>> {
        loop {
            while let Some(entry) = self.read.pop_front() {
                let at = Timestamp::from_nanos(entry.time);
                let event = document(entry);
                let is_asked = self.query.since.is_none_or(|since| at >= since)
                    && self.query.until.is_none_or(|until| at <= until)
                    && self.query.filters.accept(&event);
                if is_asked {
                    return Ok(Some(event));
                }
            }
            if self.is_over {
                return Ok(None);
            }
            // Looked at before the journal is read: what was written until then is told in any case.
            let left = self.query.until.map(|until| time_left(self.store.now(), until));
            self.is_over = left.is_some_and(|left| left.is_zero());
            self.read.extend(self.store.journal(self.last)?);
            match (self.read.back(), &self.changes) {
                (Some(entry), _) => self.last = entry.sequence,
                (None, Some(changes)) if !self.is_over => {
                    changes.wait(None, changes.patience(left, PAUSE));
                    self.store.wait_for_writer();
                }
                (None, _) => {}
            }
        }
    }
}

impl Iterator for Events<'_> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_event().transpose()
    }
}

/// 100 ms between looks at the journal where nobody tells that it was written to.
const PAUSE: Duration = Duration::from_millis(100);

/// An entry of the journal as docker's API tells it.
fn document(entry: JournalEntry) -> Event {
    let JournalEntry { time, note, .. } = entry;
    let is_old = matches!(note.kind, Kind::Container | Kind::Image);
    let of = |name: &str| note.attributes.get(name).cloned().unwrap_or_default();
    Event {
        status: if is_old { note.action.clone() } else { String::new() },
        id: if is_old { note.object.clone() } else { String::new() },
        from: if note.kind == Kind::Container { of("image") } else { String::new() },
        kind: note.kind.as_str().to_owned(),
        action: note.action,
        actor: Actor { id: note.object, attributes: note.attributes },
        scope: "local".to_owned(),
        time: time.div_euclid(1_000_000_000),
        time_nano: time,
    }
}

/// What is done to a container. Its labels are among what is known of it, as with docker.
pub(crate) fn of_container(row: &ContainerRow, action: &str, more: &[(&str, String)]) -> Note {
    let settings = readable_settings(row);
    of_known_container(row, &settings, action, more)
}

/// As [`of_container`], for who has its settings at hand.
pub(crate) fn of_known_container(
    row: &ContainerRow,
    settings: &Settings,
    action: &str,
    more: &[(&str, String)],
) -> Note {
    let mut attributes = settings.labels();
    attributes.insert("image".to_owned(), settings.image_name.clone());
    attributes.insert("name".to_owned(), row.name.to_string());
    attributes.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Note { kind: Kind::Container, action: action.to_owned(), object: row.id.to_string(), attributes }
}

/// What is done to an image, or to one of its names.
pub(crate) fn of_image(id: &ImageId, action: &str, name: &str) -> Note {
    let attributes = [("name".to_owned(), name.to_owned())].into();
    Note { kind: Kind::Image, action: action.to_owned(), object: id.as_str().to_owned(), attributes }
}

/// What is done to a name, whatever it means: pulled, pushed.
pub(crate) fn of_name(action: &str, name: &str) -> Note {
    let attributes = [("name".to_owned(), name.to_owned())].into();
    Note { kind: Kind::Image, action: action.to_owned(), object: name.to_owned(), attributes }
}

/// What is done to a network.
pub(crate) fn of_network(id: &str, name: &str, action: &str, container: Option<&str>) -> Note {
    let mut attributes: BTreeMap<String, String> =
        [("name".to_owned(), name.to_owned()), ("type".to_owned(), "bridge".to_owned())].into();
    attributes.extend(container.map(|id| ("container".to_owned(), id.to_owned())));
    Note { kind: Kind::Network, action: action.to_owned(), object: id.to_owned(), attributes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_fit_what_they_name() {
        let attributes = [("name", "web"), ("image", "box:1"), ("tier", "front")];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let note =
            Note { kind: Kind::Container, action: "die".to_owned(), object: "0123456789ab".to_owned(), attributes };
        let event = document(JournalEntry { sequence: 1, time: 0, note });
        let accepts = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            EventFilters::parse(&pairs).unwrap().accept(&event)
        };
        assert!(accepts(&[]));
        assert!(accepts(&[("type", "image"), ("type", "container"), ("event", "die")]));
        assert!(accepts(&[("container", "web"), ("image", "box:1"), ("label", "tier=front")]));
        assert!(accepts(&[("container", "0123"), ("label", "tier")]));
        assert!(!accepts(&[("event", "start")]) && !accepts(&[("container", "we")]) && !accepts(&[("volume", "web")]));
        assert!(!accepts(&[("label", "tier"), ("label", "other")]));
        assert!(EventFilters::parse(&[("bogus".to_owned(), String::new())]).is_err());
    }
}
